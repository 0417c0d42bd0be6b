import {
  ActionIcon,
  AppShell,
  Burger,
  Container,
  Group,
  Loader,
  Menu,
  NavLink,
  Select,
  Text,
  Tooltip,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconBug,
  IconGauge,
  IconGitBranch,
  IconInbox,
  IconListDetails,
  IconMoon,
  IconRoute,
  IconSettings,
  IconStack2,
  IconSun,
  IconTimeline,
  IconTimelineEvent,
  IconUser,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, Suspense } from "react";
import { Link, Outlet, useLocation, useNavigate } from "react-router";
import { api, dataOf } from "../api/client.js";
import { allows, type Session, useSession, useSessionActions } from "../api/session.js";
import { useProjectId } from "../shared/project.js";
import { Failure } from "../shared/states.js";
import { Login } from "./login.js";
import { Starting } from "./starting.js";

/** The frame around every page. Who is not logged in sees the login instead. */
export function Shell() {
  const session = useSession();
  if (session.isPending) return <Starting />;
  if (session.isError)
    return (
      <Container py="xl" size="sm">
        <Failure error={session.error} retry={() => void session.refetch()} />
      </Container>
    );
  return session.data === null ? <Login /> : <Frame session={session.data} />;
}

function Frame({ session }: { readonly session: Session }) {
  const [opened, { toggle, close }] = useDisclosure();
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 220, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding="md"
    >
      <a className="skip-link" href="#content">
        Skip to the content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
            <img src="/favicon.svg" alt="" width={24} height={24} />
            <Text fw={650} visibleFrom="xs">
              Signalbox
            </Text>
            {allows(session, "errors:read", "errors:admin") && <ProjectSwitcher />}
          </Group>
          <Group gap="xs" wrap="nowrap">
            <ThemeSwitch />
            <UserMenu session={session} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" component="nav" aria-label="Main">
        <Navigation session={session} onNavigate={close} />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Container size={1320} px={0}>
          <Suspense fallback={<Loader aria-label="Loading" />}>
            <Outlet />
          </Suspense>
        </Container>
      </AppShell.Main>
    </AppShell>
  );
}

function Navigation({ session, onNavigate }: { readonly session: Session; readonly onNavigate: () => void }) {
  const { pathname } = useLocation();
  const project = useProjectId();
  const link = (to: string, label: string, icon: ReactNode) => (
    <NavLink
      key={to}
      component={Link}
      to={to}
      label={label}
      leftSection={icon}
      active={pathname.startsWith(to)}
      onClick={onNavigate}
      style={{ borderRadius: "var(--mantine-radius-md)" }}
    />
  );
  const size = 18;
  return (
    <>
      {link("/overview", "Overview", <IconGauge size={size} />)}
      {allows(session, "errors:read") && link(`/projects/${project}/errors`, "Errors", <IconBug size={size} />)}
      {allows(session, "experience:read", "experience:admin") &&
        link("/experiences", "Experiences", <IconRoute size={size} />)}
      {allows(session, "timeline:read") && link("/timeline", "Timeline", <IconTimeline size={size} />)}
      {allows(session, "events:read") && (
        <>
          {link("/events/queues", "Queues", <IconStack2 size={size} />)}
          {link("/events/dead", "Dead letters", <IconInbox size={size} />)}
          {link("/events/log", "Event log", <IconTimelineEvent size={size} />)}
          {link("/events/catalogue", "Event catalogue", <IconListDetails size={size} />)}
        </>
      )}
      {allows(session, "relay:read") && link("/relays/repositories", "Repositories", <IconGitBranch size={size} />)}
      {allows(session, "errors:admin") &&
        link(`/projects/${project}/settings`, "Project settings", <IconSettings size={size} />)}
    </>
  );
}

function ProjectSwitcher() {
  const navigate = useNavigate();
  const current = useProjectId();
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => dataOf(api.GET("/api/v1/projects")) });
  return (
    <Select
      aria-label="Project"
      size="xs"
      w={170}
      allowDeselect={false}
      searchable
      value={String(current)}
      data={(projects.data ?? []).map(({ id, name }) => ({ value: String(id), label: name }))}
      onChange={(value) => value && void navigate(`/projects/${value}/errors`)}
    />
  );
}

function ThemeSwitch() {
  const { setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme("light") === "dark";
  const label = isDark ? "Light theme" : "Dark theme";
  return (
    <Tooltip label={label}>
      <ActionIcon variant="default" aria-label={label} onClick={() => setColorScheme(isDark ? "light" : "dark")}>
        {isDark ? <IconSun size={17} /> : <IconMoon size={17} />}
      </ActionIcon>
    </Tooltip>
  );
}

function UserMenu({ session }: { readonly session: Session }) {
  const { end } = useSessionActions();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="default" aria-label="Account">
          <IconUser size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.subject}</Menu.Label>
        <Menu.Label>Scopes: {session.scopes.join(", ")}</Menu.Label>
        <Menu.Item onClick={() => void end(session)}>Log out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
