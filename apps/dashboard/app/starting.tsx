import { Center, Loader } from "@mantine/core";

/** What is seen until it is known what is to be seen. */
export function Starting() {
  return (
    <Center mih="100vh">
      <Loader aria-label="Loading" />
    </Center>
  );
}
