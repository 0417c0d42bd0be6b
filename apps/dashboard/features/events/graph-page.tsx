import { Page } from "../../shared/page.js";
export function GraphPage() {
  return <Page title="Graph">{null}</Page>;
}
