/** Injection token of the process's `KillPoints` (from #common). */
export const KILL_POINTS = Symbol('KILL_POINTS');
