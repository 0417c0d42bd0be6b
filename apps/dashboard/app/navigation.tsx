import { NavLink, ScrollArea } from "@mantine/core";
import {
  IconBug,
  IconFilter,
  IconGauge,
  IconGitBranch,
  IconInbox,
  IconListDetails,
  IconPackage,
  IconRoute,
  IconSettings,
  IconSitemap,
  IconStack2,
  IconTimeline,
  IconTimelineEvent,
  IconTopologyStar3,
  IconWalk,
} from "@tabler/icons-react";
import type { FunctionComponent } from "react";
import { Link, useLocation } from "react-router";
import { allows, type Session } from "../api/session.js";
import { useProjectId } from "../shared/project.js";
import { useRangeSearch } from "../shared/time-range.js";

export interface NavigationEntry {
  readonly to: string;
  readonly label: string;
  readonly icon: FunctionComponent<{ readonly size?: number; readonly stroke?: number }>;
}

export interface NavigationGroup {
  readonly label?: string;
  readonly entries: readonly NavigationEntry[];
}

/** Where the session may go. */
export function navigationGroups(session: Session, project: number): readonly NavigationGroup[] {
  const mayReadErrors = allows(session, "errors:read");
  const mayReadExperiences = allows(session, "experience:read", "experience:admin");
  const groups: readonly (NavigationGroup | false)[] = [
    { entries: [{ to: "/overview", label: "Overview", icon: IconGauge }] },
    mayReadErrors && {
      label: "Errors",
      entries: [
        { to: `/projects/${project}/errors`, label: "Issues", icon: IconBug },
        { to: `/projects/${project}/releases`, label: "Releases", icon: IconPackage },
        { to: `/projects/${project}/ledger`, label: "Intake", icon: IconFilter },
      ],
    },
    mayReadExperiences && {
      label: "Experiences",
      entries: [
        { to: "/experiences", label: "Experiences", icon: IconRoute },
        { to: "/experiences/runs", label: "Runs", icon: IconWalk },
      ],
    },
    allows(session, "events:read") && {
      label: "Events",
      entries: [
        { to: "/events/queues", label: "Queues", icon: IconStack2 },
        { to: "/events/dead", label: "Dead letters", icon: IconInbox },
        { to: "/events/log", label: "Event log", icon: IconTimelineEvent },
        { to: "/events/catalogue", label: "Catalogue", icon: IconListDetails },
        { to: "/events/graph", label: "Graph", icon: IconSitemap },
      ],
    },
    allows(session, "relay:read") && {
      label: "Relays",
      entries: [
        { to: "/relays/peers", label: "Relays", icon: IconTopologyStar3 },
        { to: "/relays/repositories", label: "Repositories", icon: IconGitBranch },
      ],
    },
    {
      label: "More",
      entries: [
        ...(allows(session, "timeline:read")
          ? [{ to: "/timeline", label: "Timeline search", icon: IconTimeline }]
          : []),
        ...(allows(session, "errors:admin")
          ? [{ to: `/projects/${project}/settings`, label: "Project settings", icon: IconSettings }]
          : []),
      ],
    },
  ];
  return groups.filter((group) => group !== false).filter(({ entries }) => entries.length > 0);
}

export function Navigation({ session, onNavigate }: { readonly session: Session; readonly onNavigate: () => void }) {
  const { pathname } = useLocation();
  const project = useProjectId();
  const range = useRangeSearch();
  const groups = navigationGroups(session, project);
  const entries = groups.flatMap((group) => group.entries);
  // The longest address that the page's begins with: a run is below runs, not below experiences.
  const active = entries
    .filter(({ to }) => pathname === to || pathname.startsWith(`${to}/`))
    .sort((left, right) => right.to.length - left.to.length)[0];
  return (
    <ScrollArea type="auto" flex={1} mx={-4}>
      {groups.map(({ label, entries: links }) => (
        <div key={label ?? ""}>
          {label && <div className="nav-heading">{label}</div>}
          {links.map(({ to, label: name, icon: Icon }) => (
            <NavLink
              key={to}
              className="nav-link"
              component={Link}
              to={`${to}${range}`}
              label={name}
              leftSection={<Icon size={17} stroke={1.7} />}
              active={to === active?.to}
              {...(to === active?.to ? { "aria-current": "page" as const } : {})}
              onClick={onNavigate}
            />
          ))}
        </div>
      ))}
    </ScrollArea>
  );
}
