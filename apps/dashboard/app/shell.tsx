import {
  ActionIcon,
  AppShell,
  Box,
  Burger,
  Container,
  Group,
  Kbd,
  Loader,
  Menu,
  Select,
  Text,
  Tooltip,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { IconLogout, IconMoon, IconPlugConnectedX, IconSearch, IconSun, IconUser } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { Link, Outlet, useLocation, useNavigate } from "react-router";
import { api, dataOf, useReachable } from "../api/client.js";
import { useLive, useLiveState } from "../api/live.js";
import { allows, type Session, useSession, useSessionActions } from "../api/session.js";
import { useProjectId } from "../shared/project.js";
import { Failure } from "../shared/states.js";
import { useRangeSearch } from "../shared/time-range.js";
import { TimeRangePicker } from "../shared/time-range-picker.js";
import { Login } from "./login.js";
import { Navigation } from "./navigation.js";
import { Starting } from "./starting.js";

// Loaded when it is first opened.
const Palette = lazy(async () => ({ default: (await import("./palette.js")).Palette }));

/** The frame around every page. Who is not logged in sees the login instead. */
export function Shell() {
  const session = useSession();
  if (session.isPending) return <Starting />;
  // Whoever was let in stays, while the server cannot be asked.
  if (session.data === undefined)
    return (
      <Container py="xl" size="sm">
        <Failure error={session.error} retry={() => void session.refetch()} />
      </Container>
    );
  return session.data === null ? <Login /> : <Frame session={session.data} />;
}

function Frame({ session }: { readonly session: Session }) {
  const [opened, { toggle, close }] = useDisclosure();
  const palette = usePalette();
  return (
    <AppShell
      header={{ height: 54 }}
      navbar={{ width: 216, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <AppShell.Header className="app-header">
        <Group h="100%" px={{ base: "sm", sm: "md" }} gap="sm" wrap="nowrap">
          <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
          <UnstyledButton component={Link} to="/overview" aria-label="Signalbox">
            <Group gap={9} wrap="nowrap">
              <img src="/favicon.svg" alt="" width={26} height={26} />
              <Text fw={700} fz={16} visibleFrom="sm">
                Signalbox
              </Text>
            </Group>
          </UnstyledButton>
          {allows(session, "errors:read", "errors:admin") && <ProjectSwitcher />}
          <Box flex={1} />
          <SearchButton onOpen={palette.open} />
          <Box flex={1} visibleFrom="sm" />
          <TimeRangePicker />
          <ThemeSwitch />
          <UserMenu session={session} />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" className="app-navbar">
        <Box component="nav" aria-label="Main" style={{ display: "flex", flex: 1, minHeight: 0 }}>
          <Navigation session={session} onNavigate={close} />
        </Box>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Container size={1360} px={0}>
          <Suspense fallback={<Loader aria-label="Loading" />}>
            <Outlet />
          </Suspense>
        </Container>
      </AppShell.Main>
      <Connection session={session} />
      {palette.wanted && (
        <Suspense>
          <Palette session={session} opened={palette.opened} onClose={palette.close} />
        </Suspense>
      )}
    </AppShell>
  );
}

/** The command palette is not loaded before somebody wants it. */
function usePalette() {
  const [opened, setOpened] = useState(false);
  const [wanted, setWanted] = useState(false);
  const open = (): void => {
    setWanted(true);
    setOpened(true);
  };
  useHotkeys([["/", open]]);
  // Also while somebody types.
  useHotkeys([["mod+K", open]], []);
  return { opened, wanted, open, close: () => setOpened(false) };
}

function SearchButton({ onOpen }: { readonly onOpen: () => void }) {
  return (
    <>
      <UnstyledButton
        onClick={onOpen}
        visibleFrom="sm"
        style={{
          border: "1px solid var(--mantine-color-default-border)",
          borderRadius: "var(--mantine-radius-md)",
          background: "var(--app-ground)",
          padding: "4px 8px 4px 10px",
          flex: "2 1 200px",
          maxWidth: 420,
        }}
      >
        <Group gap={8} wrap="nowrap">
          <IconSearch size={15} aria-hidden />
          <Text size="xs" c="dimmed" flex={1} truncate>
            Search or jump to …
          </Text>
          <Kbd size="xs">Ctrl K</Kbd>
        </Group>
      </UnstyledButton>
      <ActionIcon variant="default" size={30} hiddenFrom="sm" aria-label="Search or jump to" onClick={onOpen}>
        <IconSearch size={16} />
      </ActionIcon>
    </>
  );
}

/** Topics by which the connection is watched, with the scope that each needs. */
const topics = [
  ["errors.issues", "errors:read"],
  ["experience.verdicts", "experience:read"],
  ["relay.peers", "relay:read"],
  ["events.dead", "events:read"],
] as const;

/** Said only when the server does not answer. When it does again, everything that a page shows is read again. */
function Connection({ session }: { readonly session: Session }) {
  const queries = useQueryClient();
  const [topic] = topics.find(([, scope]) => allows(session, scope)) ?? [];
  // Also on pages that follow nothing, so that it is known when the server is away.
  useLive(topic === undefined ? {} : { [topic]: ["connection"] });
  const live = useLiveState();
  const isReachable = useReachable();
  const isLost = live === "lost" || !isReachable;
  const wasLost = useRef(false);
  useEffect(() => {
    if (wasLost.current && !isLost) void queries.invalidateQueries();
    wasLost.current = isLost;
  }, [isLost, queries]);
  return (
    <div role="status" className="connection">
      {isLost && (
        <Group gap={8} px="md" py={8} wrap="nowrap">
          <IconPlugConnectedX size={17} aria-hidden />
          <Text size="sm">The connection to the server is lost. Trying again …</Text>
        </Group>
      )}
    </div>
  );
}

function ProjectSwitcher() {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const range = useRangeSearch();
  const current = useProjectId();
  // From a list to the same list of the other project; what is of one project only has no counterpart.
  const section = /^\/projects\/\d+\/(errors|releases|ledger|settings)/.exec(pathname)?.[1] ?? "errors";
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => dataOf(api.GET("/api/v1/projects")) });
  return (
    <Select
      aria-label="Project"
      size="xs"
      w={{ base: 96, sm: 150 }}
      allowDeselect={false}
      searchable
      comboboxProps={{ width: 220, position: "bottom-start" }}
      value={String(current)}
      data={(projects.data ?? []).map(({ id, name }) => ({ value: String(id), label: name }))}
      onChange={(value) => value && void navigate(`/projects/${value}/${section}${range}`)}
    />
  );
}

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme("light") === "dark";
  const label = isDark ? "Light theme" : "Dark theme";
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="default"
        size={30}
        visibleFrom="xs"
        aria-label={label}
        onClick={() => setColorScheme(isDark ? "light" : "dark")}
      >
        {isDark ? <IconSun size={16} /> : <IconMoon size={16} />}
      </ActionIcon>
    </Tooltip>
  );
}

function UserMenu({ session }: { readonly session: Session }) {
  const { end } = useSessionActions();
  const { setColorScheme } = useMantineColorScheme();
  return (
    <Menu position="bottom-end" width={240}>
      <Menu.Target>
        <ActionIcon variant="default" size={30} aria-label="Account">
          <IconUser size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.subject}</Menu.Label>
        <Menu.Label>May: {session.scopes.join(", ")}</Menu.Label>
        <Menu.Divider />
        <Menu.Label>Theme</Menu.Label>
        {(["auto", "light", "dark"] as const).map((scheme) => (
          <Menu.Item key={scheme} onClick={() => setColorScheme(scheme)}>
            {scheme === "auto" ? "As the system" : scheme === "light" ? "Light" : "Dark"}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => void end()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
