import { Alert, Button, Center, Code, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useSessionActions } from "../api/session.js";

export function Login() {
  const { begin } = useSessionActions();
  const [token, setToken] = useState("");
  const [failure, setFailure] = useState<string>();
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
      <Paper withBorder shadow="sm" p="xl" w="100%" maw={440} component="main">
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <Title order={1} size="h3">
              Signalbox
            </Title>
            <Text size="sm" c="dimmed">
              Paste a token. On the machine of the server this makes one that may do everything for a day:
            </Text>
            <Code block>npx signalbox token create --scope admin --ttl 1d</Code>
            <PasswordInput
              label="Token"
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              autoComplete="current-password"
              autoFocus
              required
            />
            {failure && (
              <Alert color="red" variant="light" role="alert">
                {failure}
              </Alert>
            )}
            <Button type="submit" loading={busy} disabled={token.trim() === ""}>
              Log in
            </Button>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
