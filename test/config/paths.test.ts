import { expect, test } from 'vitest'
import { cacheDir, configDir, serverDataDir } from '../../src/config/paths.ts'

test.each<[Record<string, string>, NodeJS.Platform, string]>([
  [{ IMGCTL_CONFIG_DIR: '/c', XDG_CONFIG_HOME: '/x', HOME: '/h' }, 'linux', '/c'],
  [{ XDG_CONFIG_HOME: '/x', HOME: '/h' }, 'linux', '/x/imgctl'],
  [{ HOME: '/h' }, 'linux', '/h/.config/imgctl'],
  [{ HOME: '/h' }, 'darwin', '/h/.config/imgctl'],
  [{ HOME: '/h', APPDATA: '/roaming' }, 'win32', '/roaming/imgctl'],
])('config with %o on %s: %s', (environment, platform, folder) => {
  expect(configDir(environment, platform)).toBe(folder)
})

test.each<[Record<string, string>, string, string]>([
  [{ XDG_DATA_HOME: '/d', XDG_CACHE_HOME: '/k', HOME: '/h' }, '/d/imgctl/server', '/k/imgctl'],
  [{ HOME: '/h' }, '/h/.local/share/imgctl/server', '/h/.cache/imgctl'],
])('data and cache with %o', (environment, data, cache) => {
  expect(serverDataDir(environment, 'linux')).toBe(data)
  expect(cacheDir(environment, 'linux')).toBe(cache)
})
