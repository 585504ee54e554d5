/** Docker Hub's images are named after one host and served by another. */
const HOSTS: Readonly<Record<string, string>> = {
  'docker.io': 'registry-1.docker.io',
  'index.docker.io': 'registry-1.docker.io',
}

/** The host (with its port) that serves the images of a reference's domain. */
export function registryHost(domain: string): string {
  return HOSTS[domain] ?? domain
}
