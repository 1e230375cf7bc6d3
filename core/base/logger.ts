export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;
/** Structured log; `event` is a stable kebab-case name, fields never hold a row value or a password (I11). */
export interface Logger {
  child(fields: LogFields): Logger;
  log(level: LogLevel, event: string, message: string, fields?: LogFields): void;
}
