/** A role of a server that a database needs: it is named there, or reaches what it needs through one that is. */
export interface Role {
  readonly name: string;
  /** As in CREATE ROLE, without a password: `LOGIN`, `CONNECTION LIMIT 5`. */
  readonly attributes: readonly string[];
  /** `SET search_path TO …` of ALTER ROLE, for all databases. */
  readonly settings: readonly { readonly name: string; readonly value: string }[];
  /** How the database names it: `owns 3 objects`, `has rights on 12`. Empty: only a member of one that is named, or above it. */
  readonly named: readonly string[];
  readonly owns: boolean;
}

export interface Membership {
  readonly role: string;
  readonly member: string;
  readonly admin: boolean;
  /** Of 16 and later; null before. */
  readonly inherit: boolean | null;
  readonly set: boolean | null;
}
