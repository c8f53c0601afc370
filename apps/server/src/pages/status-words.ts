/** How something is: a word, and the colour of its dot. */
export interface StatusWords {
  readonly label: string;
  readonly tone: 'good' | 'warn' | 'bad' | 'busy' | 'calm' | 'off';
}
