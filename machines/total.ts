/**
 * Folds are total, whatever stands in the log: an event that cannot even be read, since it is damaged, counts as one that this build does not
 * know. It has its revision, and nobody writes behind it. (Groups and triggers have a state of their own for that: `faulted`.)
 */
export function total<S extends { unknownType: string | null }, E extends { readonly type: string }>(fold: (state: S, event: E) => void): (state: S, event: E) => void {
  return (state, event) => {
    try {
      fold(state, event)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      state.unknownType ??= event.type
    }
  }
}
