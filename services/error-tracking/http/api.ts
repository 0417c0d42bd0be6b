import { refuseNulInBody } from "@signalbox/http";
import type { FastifyPluginAsync } from "fastify";
import type { ApiDependencies } from "./api-dependencies.js";
import { registerAttachmentRoutes } from "./attachments.js";
import { registerDataRoutes, registerProjectRemoval } from "./data.js";
import { registerDeadLetterRoutes } from "./dead-letters.js";
import { registerErrorEventRoutes, registerMessageRoute, registerSingleEventRoutes } from "./error-events.js";
import { registerFeedbackRoutes } from "./feedback.js";
import { registerGitLabSettingRoutes } from "./gitlab-settings.js";
import { registerIssueNoteRoutes } from "./issue-notes.js";
import { registerIssueWorkflowRoutes } from "./issue-workflow.js";
import { registerIssueRoutes } from "./issues.js";
import { registerKeyRoutes } from "./keys.js";
import { registerLedgerRoutes } from "./ledger.js";
import { registerMarkdownRoutes } from "./markdown.js";
import { registerMonitorRoutes } from "./monitors.js";
import { registerProjectSettingRoutes } from "./project-settings.js";
import { registerProjectRoutes } from "./projects.js";
import { registerQuotaRoutes } from "./quotas.js";
import { registerReleaseRoutes } from "./releases.js";
import { registerSuspectCommitRoute } from "./suspect-commits.js";
import { registerVerifyRoute } from "./verify.js";

/**
 * The read API and the workflow. GitLab's routes exist twice: in our own API and under the path that GitLab's clients
 * are configured with; what only we have is in our own alone.
 */
export function createApi(dependencies: ApiDependencies): FastifyPluginAsync {
  return async (app) => {
    app.addHook("preValidation", refuseNulInBody);
    for (const prefix of ["/api/v1", "/errortracking/api/v1"]) {
      await app.register(
        async (scoped) => {
          registerIssueRoutes(scoped, dependencies);
          registerErrorEventRoutes(scoped, dependencies);
          registerMessageRoute(scoped, dependencies);
          registerProjectRemoval(scoped, dependencies);
        },
        { prefix },
      );
    }
    await app.register(
      async (scoped) => {
        registerSingleEventRoutes(scoped, dependencies);
        registerIssueWorkflowRoutes(scoped, dependencies);
        registerIssueNoteRoutes(scoped, dependencies);
        registerMarkdownRoutes(scoped, dependencies);
        registerProjectRoutes(scoped, dependencies);
        registerProjectSettingRoutes(scoped, dependencies);
        registerKeyRoutes(scoped, dependencies);
        registerDataRoutes(scoped, dependencies);
        registerVerifyRoute(scoped, dependencies);
        registerReleaseRoutes(scoped, dependencies);
        registerSuspectCommitRoute(scoped, dependencies);
        registerAttachmentRoutes(scoped, dependencies);
        registerFeedbackRoutes(scoped, dependencies);
        registerMonitorRoutes(scoped, dependencies);
        registerDeadLetterRoutes(scoped, dependencies);
        registerQuotaRoutes(scoped, dependencies);
        registerLedgerRoutes(scoped, dependencies);
      },
      { prefix: "/api/v1" },
    );
    await app.register(async (scoped) => registerGitLabSettingRoutes(scoped, dependencies), {
      prefix: "/api/v4/projects/:id/error_tracking",
    });
  };
}
