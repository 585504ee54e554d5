import Type, { type Static } from 'typebox'
import { DateTime, Strict } from './schema.ts'

/** A registry that the server may pull from. A password goes in and never comes out. */
export const DockerRegistry = Type.Object({
  id: Type.String(),
  name: Type.String(),
  url: Type.String({ description: 'host or host:port; a scheme given on creation is kept apart' }),
  secure: Type.Boolean({ description: 'https' }),
  username: Type.String(),
  project: Type.String(),
  registryType: Type.Enum(['organization']),
  isDefault: Type.Boolean({ description: 'a mark for clients: the server goes by the host alone' }),
  createdAt: DateTime(),
  updatedAt: DateTime(),
})
export type DockerRegistry = Static<typeof DockerRegistry>

export const CreateDockerRegistry = Strict({
  name: Type.String({ minLength: 1, maxLength: 100 }),
  url: Type.String({ minLength: 1, maxLength: 300 }),
  username: Type.String({ maxLength: 300 }),
  password: Type.String({ maxLength: 10_000 }),
  project: Type.Optional(Type.String({ maxLength: 200 })),
  registryType: Type.Optional(Type.Enum(['organization'])),
  isDefault: Type.Optional(Type.Boolean()),
})
export type CreateDockerRegistry = Static<typeof CreateDockerRegistry>

export const UpdateDockerRegistry = Strict({
  name: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  url: Type.Optional(Type.String({ minLength: 1, maxLength: 300 })),
  username: Type.Optional(Type.String({ maxLength: 300 })),
  password: Type.Optional(Type.String({ maxLength: 10_000 })),
  project: Type.Optional(Type.String({ maxLength: 200 })),
})
export type UpdateDockerRegistry = Static<typeof UpdateDockerRegistry>
