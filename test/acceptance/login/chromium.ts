import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { findProgram } from '../../services/install.ts'

/** Ignored by git; what a person looks at after a run. */
const ARTIFACTS = join(import.meta.dirname, '../../../.artifacts/login')
/** https://chromium.googlesource.com/chromium/src/+/main/docs/linux/ : a container has no user namespaces. */
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
]
const VIEWPORT = { width: 1000, height: 860 }
const PHONE = { width: 390, height: 780 }

export const CHROMIUM = findProgram('chromium')

export interface OpenChromium {
  readonly context: BrowserContext
  readonly page: Page
  /** Messages of the console: a blocked style or script is one. */
  readonly complaints: readonly string[]
  /** The page in light and dark, and as a phone shows it. */
  screenshots(name: string): Promise<void>
  close(): Promise<void>
}

/** A real browser with a profile of its own, and scripts off: the pages must do without. */
export async function openChromium(): Promise<OpenChromium> {
  if (CHROMIUM === undefined) throw new Error('there is no chromium')
  const profile = await mkdtemp(join(tmpdir(), 'imgctl-chromium-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
    viewport: VIEWPORT,
    javaScriptEnabled: false,
  })
  const page = context.pages()[0] ?? (await context.newPage())
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  return {
    context,
    page,
    complaints,
    async screenshots(name) {
      await mkdir(ARTIFACTS, { recursive: true })
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.screenshot({ path: join(ARTIFACTS, `${name}-${colorScheme}.png`) })
      }
      await page.setViewportSize(PHONE)
      await page.screenshot({ path: join(ARTIFACTS, `${name}-phone.png`), fullPage: true })
      await page.setViewportSize(VIEWPORT)
      await page.emulateMedia({ colorScheme: 'light' })
    },
    async close() {
      await context.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}
