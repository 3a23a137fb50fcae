/** What this build is made to do [610]. The same for every agent of the build, however it was started. */
import { type Manifest, builtInDefaults } from '../../machines/agent/configuration.ts'
import { adapters } from '../sites/registry.ts'

export function manifestOf(build: string, newestFormat: number): Manifest {
  const kinds = adapters.map((adapter) => adapter.kind).sort()
  return {
    build,
    role: 'generic',
    adapters: kinds,
    // A skill is knowing one kind of site.
    skills: kinds,
    defaults: builtInDefaults,
    formats: Array.from({ length: newestFormat }, (_, index) => index + 1),
  }
}
