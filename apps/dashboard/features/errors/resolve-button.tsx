import { Button, Menu } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import type { IssueChange } from "./issue.js";

/** Resolves now; or with a release, so that older programs that still run do not bring the issue back. */
export function ResolveButton({
  loading,
  onResolve,
}: {
  readonly loading: boolean;
  readonly onResolve: (change: IssueChange) => void;
}) {
  return (
    <Button.Group>
      <Button size="xs" loading={loading} onClick={() => onResolve({ status: "resolved" })} title="Key: e">
        Resolve
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            size="xs"
            px={6}
            aria-label="More ways to resolve"
            style={{ borderLeft: "1px solid var(--mantine-color-indigo-5)" }}
          >
            <IconChevronDown size={14} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => onResolve({ status: "resolved", resolve_in: "next_release" })}>
            In the next release
          </Menu.Item>
          <Menu.Item onClick={() => onResolve({ status: "resolved", resolve_in: "current_release" })}>
            In the newest release
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Button.Group>
  );
}
