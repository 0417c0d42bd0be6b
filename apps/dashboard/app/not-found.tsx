import { Anchor } from "@mantine/core";
import { Link } from "react-router";
import { Page } from "../shared/page.js";
import { Empty } from "../shared/states.js";

export function NotFound() {
  return (
    <Page title="Nothing here">
      <Empty title="There is no page at this address">
        <Anchor component={Link} to="/overview">
          Go to the overview
        </Anchor>
      </Empty>
    </Page>
  );
}
