import { text, texts } from './kinds.ts'

/** What an image's config is given while it is made, as Dockerfile instructions. */
export const changes = texts(
  '-c, --change <instruction>',
  `a Dockerfile instruction for the image, like 'CMD ["/app"]'; may be given again`,
)

export const message = text('-m, --message <text>', "the comment in the image's history")
