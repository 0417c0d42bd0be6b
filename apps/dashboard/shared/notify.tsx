import { Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";

/** Says that something was done; what can be taken back says so for a while. */
export function sayDone(message: string, undo?: () => void): void {
  if (undo === undefined) {
    notifications.show({ message });
    return;
  }
  const id = notifications.show({
    autoClose: 20_000,
    message: (
      <Group justify="space-between" gap="sm" wrap="nowrap">
        <Text size="sm">{message}</Text>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            notifications.hide(id);
            undo();
          }}
        >
          Undo
        </Button>
      </Group>
    ),
  });
}

/** Says that nothing was done, and why. */
export function sayFailed(title: string, error: Error): void {
  notifications.show({ color: "red", title, message: error.message, autoClose: 10_000 });
}
