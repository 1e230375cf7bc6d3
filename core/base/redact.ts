/**
 * The text without anything that looks like a password, in URLs and in keyword/value connection strings. Errors and
 * logs are written without passwords in the first place; this catches what was overlooked (I11).
 */
export function redact(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):[^\s@/]*(?:@(?=[^\s@]*@)[^\s@/]*)*@/gi, '$1:***@')
    .replace(/([?&](?:password|sslpassword)=)[^&\s"']*/gi, '$1***')
    .replace(/\b((?:password|sslpassword|passwd)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&"',;]+)/gi, '$1***');
}
