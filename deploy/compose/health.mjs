// HEALTHCHECK of the server's image: alive, not ready: restarting it would not mend a database that is away.
import * as http from 'node:http';
import * as https from 'node:https';

const { PORT = '8000', TLS_CERT_FILE = '' } = process.env;
const [scheme, door] = TLS_CERT_FILE === '' ? ['http', http] : ['https', https];
// Its own certificate is for the name that others call it by.
const options = { rejectUnauthorized: false, timeout: 2_500 };
door
  .get(`${scheme}://127.0.0.1:${PORT === '' ? '8000' : PORT}/health/live`, options, ({ statusCode }) => {
    process.exit(statusCode === 200 ? 0 : 1);
  })
  .on('timeout', () => process.exit(1))
  .on('error', () => process.exit(1));
