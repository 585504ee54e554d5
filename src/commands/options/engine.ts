import { text } from './kinds.ts'

/** The engine, where it is not the one that the environment and docker's contexts name. */
export const host = text(
  '--host <address>',
  'the engine (DOCKER_HOST): unix:///path, tcp://host:port, ssh://host',
)
