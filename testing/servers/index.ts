export { type ClickHouseHttpServer, startClickHouseHttp } from "./clickhouse-http.js";
export { findServer } from "./find-server.js";
export { findFreePort } from "./free-port.js";
export { type Line, openLine } from "./line.js";
export { startNats } from "./nats.js";
export { type PostgresServer, startPostgres } from "./postgres.js";
export { type PrometheusOptions, startPrometheus } from "./prometheus.js";
export { checkConfig, checkRules, type PromtoolResult, type RulesTest, testRules } from "./promtool.js";
export { startRedis } from "./redis.js";
export { type RequiredServers, type RequireServersOptions, requireServers } from "./require-servers.js";
export { createSelfSignedCertificate, type SelfSignedCertificate } from "./self-signed-certificate.js";
export type { StartOptions, TestServer } from "./server-process.js";
export {
  installSignalbox,
  type SignalboxInstallation,
  type SignalboxOptions,
  type SignalboxServer,
} from "./signalbox.js";
export { canMountSmallDisk, mountSmallDisk, type SmallDisk } from "./small-disk.js";
