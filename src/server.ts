/**
 * Embedding a log, a witness or a monitor: a whole one by `serve`, `serveWitness` and `startMonitor`, or the routes in a
 * server of one's own.
 */

export type { Permission, Principal, Role } from './compliance/principal.ts'
export { type MlDsaThread, mlDsaThread } from './crypto/ml-dsa-thread.ts'
export {
  type Gossip,
  type GossipOptions,
  type ScheduledSink,
  startGossip,
} from './gossip/runner.ts'
export type { HeadSink, PublishedHead, SinkReceipt } from './gossip/sink.ts'
export type { GossipEvent, SinkStatus } from './gossip/sink-loop.ts'
export { fileStates } from './gossip/state.ts'
export type { Answer } from './http/answer.ts'
export { type AppOptions, createApp, type HostedLog } from './http/app.ts'
export { type Authenticate, allowAnyone, orAnyone } from './http/authenticate.ts'
export { createServerFor, type ServerOptions } from './http/node-listener.ts'
export type { HttpServer as LogServer } from './http/node-server.ts'
export { createWitnessApp, type WitnessAppOptions } from './http/witness-app.ts'
export { createWitnessServer, type WitnessServerOptions } from './http/witness-listener.ts'
export { type LocalKeys, localSigner } from './log/local-signer.ts'
export { type LogEvent, type LogOptions, openLog } from './log/log.ts'
export type * from './log/service.ts'
export { openSignedState, type SignedState } from './log/signed-state.ts'
export type { LogSigner } from './log/signer.ts'
export { type Alert, type AlertKind, SEVERITIES, type Severity } from './monitor/alert.ts'
export type { Limits } from './monitor/freshness.ts'
export type { Monitor, RoundOptions, RunOptions } from './monitor/monitor.ts'
export type * from './monitor/report.ts'
export { type Targets, targetsOf, type WatchedLog } from './monitor/target.ts'
export { type Access, type AccessEvent, openAccess } from './server/access.ts'
export { type Config, type LogConfig, loadConfig } from './server/config.ts'
export { eventWriter, type OnEvent, type ServerEvent } from './server/events.ts'
export {
  type MonitorConfig,
  type MonitorHooks,
  type RunningMonitor,
  startMonitor,
} from './server/monitor.ts'
export type { ConfigSources } from './server/read-settings.ts'
export { type RunningServer, type ServeOptions, serve } from './server/serve.ts'
export { type RunningWitness, type ServeWitnessOptions, serveWitness } from './server/witness.ts'
export { loadWitnessConfig, type WitnessConfig } from './server/witness-config.ts'
export type { OnWitnessEvent, WitnessServerEvent } from './server/witness-events.ts'
export { openDataDirectory } from './storage/data-directory.ts'
export { openLevelStore } from './storage/level.ts'
export { openLevelWitnessStore } from './storage/level-witness.ts'
export { localWitnessSigner, type WitnessKeys } from './witness/local-signer.ts'
export type * from './witness/service.ts'
export type { WitnessSigner } from './witness/signer.ts'
export { openWitness, type WitnessEvent, type WitnessOptions } from './witness/witness.ts'
