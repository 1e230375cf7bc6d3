/** Exports something, but no plugin: for plugin-path.yaml. */
export const uppercase = (text: string): string => text.toUpperCase();
