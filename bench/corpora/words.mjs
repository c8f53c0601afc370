import { Random } from './random.mjs';

const COUNT = 20_000;
const TABLE = 65_536;
const ONSETS =
  'b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh sl sp st str t th tr v w'.split(' ');
const VOWELS = 'a a a ai e e e e ea ee i i i ie o o o oo ou u u y'.split(' ');
const CODAS = ['', '', '', 'ck', 'd', 'l', 'll', 'm', 'n', 'nd', 'ng', 'nt', 'p', 'r', 'rd', 's', 'ss', 'st', 't', 'x'];
const ENDINGS = ['', '', '', '', 'ed', 'er', 'es', 'ing', 'ion', 'ly', 'ment', 's'];

/** Invented words, the frequent ones short. The same on every machine and for every seed, as a language is. */
const WORDS = invent(new Random('the words of the benchmark'));
const BY_FREQUENCY = frequencyTable();

/** A word, as often as its rank says (Zipf's law): what makes text compress the way text does. */
export function word(random) {
  return WORDS[BY_FREQUENCY[random.below(TABLE)]];
}

/** A word of the whole dictionary, all alike: for names. */
export function rareWord(random) {
  return WORDS[200 + random.below(COUNT - 200)];
}

function invent(random) {
  const words = new Set();
  while (words.size < COUNT) {
    const syllables = words.size < 400 ? 1 : 1 + random.below(2);
    let text = '';
    for (let n = 0; n < syllables; n += 1) text += random.pick(ONSETS) + random.pick(VOWELS) + random.pick(CODAS);
    words.add(words.size < 400 ? text : text + random.pick(ENDINGS));
  }
  return [...words];
}

function frequencyTable() {
  const weights = Array.from({ length: COUNT }, (_, rank) => 1 / (rank + 2.7));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const table = new Uint16Array(TABLE);
  let rank = 0;
  let sum = weights[0];
  for (let n = 0; n < TABLE; n += 1) {
    while (sum / total < n / TABLE && rank < COUNT - 1) {
      rank += 1;
      sum += weights[rank];
    }
    table[n] = rank;
  }
  return table;
}
