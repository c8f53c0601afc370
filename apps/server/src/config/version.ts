/** As in package.json (a test holds them together). */
export const SERVER_VERSION = '0.1.0';
