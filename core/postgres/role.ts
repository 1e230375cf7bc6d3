/** A role that a database needs: it is named there, or is reached from a named one through membership. */
export interface Role {
  readonly name: string;
  /** As in CREATE ROLE, without a password: `LOGIN`, `CONNECTION LIMIT 5`. */
  readonly attributes: readonly string[];
  /** `SET search_path TO …` of ALTER ROLE, for all databases. */
  readonly settings: readonly { readonly name: string; readonly value: string }[];
  /**
   * How the database names the role: `owns 3 objects`, `has rights on 12`. Empty: it is only a member of a named role,
   * or above one.
   */
  readonly named: readonly string[];
  readonly owns: boolean;
}

export interface Membership {
  readonly role: string;
  readonly member: string;
  readonly admin: boolean;
  /** From 16 on; null before. */
  readonly inherit: boolean | null;
  readonly set: boolean | null;
}
