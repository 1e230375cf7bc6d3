/** The folder of the certificates and keys that tests give to servers and clients. */
export const tlsFolder = `${import.meta.dirname}/tls`;
