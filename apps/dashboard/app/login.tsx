import { Alert, Button, Center, Code, Divider, Group, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { IconLogin2 } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { useLocation } from "react-router";
import { sessionWasLost, useLogins, useSessionActions } from "../api/session.js";
import { Snippet } from "../shared/states.js";

/** What came of a login at an issuer, as the server says it in the address. */
const outcomes: Readonly<Record<string, string>> = {
  failed: "The login did not succeed. Try it once more; the server's log says why.",
  refused: "The issuer knows you, but its token does not allow anything here. Ask who runs this server.",
};

export function Login() {
  const { begin } = useSessionActions();
  const { pathname, search } = useLocation();
  const logins = useLogins();
  const [token, setToken] = useState("");
  const [failure, setFailure] = useState<string | undefined>(outcomes[new URLSearchParams(search).get("login") ?? ""]);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    try {
      await begin(token);
    } catch (error) {
      setFailure(error instanceof Error ? error.message : "The login failed.");
    } finally {
      setBusy(false);
    }
  };

  return (
    <Center mih="100vh" p="md">
      <Paper withBorder p="xl" w="100%" maw={496} component="main">
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <Group gap="sm">
              <img src="/favicon.svg" alt="" width={32} height={32} />
              <Title order={1} size="h3">
                Signalbox
              </Title>
            </Group>
            {!failure && sessionWasLost() && (
              <Alert color="yellow" variant="light" role="status">
                Your session has ended. Log in again, and this page goes on.
              </Alert>
            )}
            {failure && (
              <Alert color="red" variant="light" role="alert">
                {failure}
              </Alert>
            )}
            {(logins.data ?? []).map(({ label, href }) => (
              <Button
                key={href}
                component="a"
                href={`${href}?to=${encodeURIComponent(pathname + withoutOutcome(search))}`}
                leftSection={<IconLogin2 size={17} />}
              >
                Log in with {label}
              </Button>
            ))}
            {(logins.data ?? []).length > 0 && <Divider label="or with a token" />}
            <PasswordInput
              label="Token"
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              autoComplete="current-password"
              autoFocus
              required
            />
            <Button
              type="submit"
              loading={busy}
              disabled={token.trim() === ""}
              variant={(logins.data ?? []).length > 0 ? "default" : "filled"}
            >
              Log in
            </Button>
            <div>
              <Text size="sm" c="dimmed" mb={6}>
                On the server's machine this makes a token that may do everything for a day:
              </Text>
              <Snippet code="npx signalbox token create --scope admin --ttl 1d" label="Copy the command" />
              <Text size="xs" c="dimmed" mt={6}>
                Where the server has another data directory, as the demo has, add <Code>--data-dir</Code> as the lines
                of its start say.
              </Text>
            </div>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}

function withoutOutcome(search: string): string {
  const parameters = new URLSearchParams(search);
  parameters.delete("login");
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
