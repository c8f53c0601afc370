/** Told to the server at enrolment and with every run; the spec beside it holds it to package.json. */
export const AGENT_VERSION = '0.1.0';
