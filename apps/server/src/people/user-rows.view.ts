import type { UserDetail } from '#common';
import type { Moments } from '../pages/moments';
import { countOf } from '../pages/quantities';
import type { StatusWords } from '../pages/status-words';

/** Pure: how an account is. */
export function accountWords({ state, deletedMs }: Pick<UserDetail, 'state' | 'deletedMs'>): StatusWords {
  if (deletedMs !== null) return { label: 'Deleted', tone: 'off' };
  return state === 'active' ? { label: 'Active', tone: 'good' } : { label: 'Disabled', tone: 'off' };
}

/** Pure: the list of users. `clientCounts`: how many clients, by the user's id. */
export function usersView(users: readonly UserDetail[], clientCounts: ReadonlyMap<string, number>, moments: Moments) {
  return {
    title: 'Users',
    count: countOf(users.length, 'user'),
    users: users.map((user) => ({
      id: user.id,
      username: user.username,
      role: user.role,
      status: accountWords(user),
      clients: clientCounts.get(user.id) ?? 0,
      created: moments.at(user.createdMs),
    })),
  };
}
