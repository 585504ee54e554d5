import { required, texts } from './kinds.ts'

export const user = required('<user>', 'a user name; or the id, e-mail address or name of one user')
export const permissions = texts(
  '--permission <permission>',
  'read:images, write:images, delete:images, read:registries, write:registries, delete:registries or admin; with commas between, or given again',
)
/** What a user needs to push and pull, and no more. */
export const USUAL_PERMISSIONS = ['read:images', 'write:images'] as const
/** Made at the first start. */
export const FIRST_ORGANIZATION = 'default'
