/** What the fields of an account have to be. */
export const ACCOUNT_SENTENCES = {
  username: 'A username has 1 to 128 characters.',
  password: 'A password has 8 to 1024 characters.',
  role: 'One of the roles of the list.',
  quota_bytes: 'A number of gibibytes, such as 500 or 0.5; nothing for no limit.',
};
