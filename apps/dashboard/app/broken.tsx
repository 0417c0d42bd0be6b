import { Container } from "@mantine/core";
import { useRouteError } from "react-router";
import { Failure } from "../shared/states.js";

/** Stands where a page failed to draw itself. */
export function Broken() {
  const error = useRouteError();
  return (
    <Container py="xl" size="sm">
      <Failure
        error={error instanceof Error ? error : new Error("This page could not be drawn.")}
        retry={() => window.location.reload()}
      />
    </Container>
  );
}
