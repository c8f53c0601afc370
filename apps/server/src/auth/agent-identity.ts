/** Who an agent's call acts for: read from the database on every request, never from the token alone. */
export interface AgentIdentity {
  clientNo: number;
  clientId: string;
  ownerNo: number;
  /** Chunks may be named by their ids within this domain. */
  domainNo: number;
}
