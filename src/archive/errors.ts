/** Nothing was archived or purged by this attempt beyond what was said; `message` is one line. */
export class ArchiveRefused extends Error {
  override readonly name = 'ArchiveRefused'
  readonly retryable = false
}

/** It was told to stop; repeated, it goes on. */
export class ArchiveStopped extends Error {
  override readonly name = 'ArchiveStopped'
  readonly retryable = true
  constructor() {
    super('it was stopped on the way: repeat it, and it goes on where it was')
  }
}
