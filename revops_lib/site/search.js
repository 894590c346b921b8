// Sphinx writes this file into language_data.js. Words are compared without accents, as `search.py` writes them into the index.
const withoutAccents = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/œ/g, "oe").replace(/æ/g, "ae").replace(/ø/g, "o").replace(/ł/g, "l").replace(/ß/g, "ss");

var splitQuery = (query) => withoutAccents(query).replace(/%/g, " percent ").split(/[^\p{L}\p{N}_]+/u).filter((word) => word);

const stems = (text) => {
  const stemmer = new Stemmer();
  return new Set(splitQuery(text).filter((word) => !stopwords.includes(word)).map((word) => stemmer.stemWord(word)));
};

// What a seller looks for in the middle of a deal stands in other pages than these.
const BEHIND = /^(methods|reports|reference|operations|tools)\//;

/** The pages that hold a word, from a map of the index; where none does, those of longer words that begin with it. */
function pagesOf(terms, word) {
  const words = Object.hasOwn(terms, word) || word.length < 3 ? [word] : Object.keys(terms).filter((one) => one.startsWith(word));
  return words.flatMap((one) => (Object.hasOwn(terms, one) ? terms[one] : []));
}

/** Headings, and other words for what a page answers (`also` in its front matter): [page, words, title, anchor]. */
function phrases(index) {
  const titles = Object.entries(index.alltitles).flatMap(([title, places]) =>
    places.map(([page, anchor]) => [page, stems(title), title, anchor]),
  );
  const also = Object.entries(index.indexentries).flatMap(([said, places]) =>
    places.map(([page]) => [page, stems(said), "", ""]),
  );
  return [...titles, ...also];
}

/** Results as Sphinx shows them, the best one last. A page counts for the asked words that it holds, rare ones more than
 * common ones, and once more for the phrase that comes nearest to what was asked: it need not hold all words. */
Search._performSearch = (query) => {
  const index = Search._index;
  const asked = [...stems(query)];
  const holding = new Map(asked.map((word) => [word, new Set([...pagesOf(index.terms, word), ...pagesOf(index.titleterms, word)])]));
  const all = phrases(index);
  for (const [page, words] of all) asked.filter((word) => words.has(word)).forEach((word) => holding.get(word).add(page));
  const rarity = new Map(asked.map((word) => [word, Math.log(1 + index.docnames.length / (holding.get(word).size || 1))]));
  const weight = (words) => words.reduce((sum, word) => sum + rarity.get(word), 0);

  const found = new Map();
  for (const page of index.docnames.keys()) {
    const score = weight(asked.filter((word) => holding.get(word).has(page))) / weight(asked);
    if (score > 0) found.set(page, { score, near: 0 });
  }
  for (const [page, words, title, anchor] of all) {
    const both = asked.filter((word) => words.has(word));
    if (!both.length) continue;
    const share = weight(both) / weight(asked);
    const near = share * (0.5 + (0.5 * both.length) / words.size);
    if (near > found.get(page).near) Object.assign(found.get(page), { near, title: share === 1 ? title : "", anchor });
  }
  const ranked = [...found].map(([page, one]) => {
    const score = (one.score + 2 * one.near) * (BEHIND.test(index.docnames[page]) ? 0.5 : 1);
    const isPart = one.title && one.anchor;
    const title = isPart ? `${index.titles[page]} > ${one.title}` : index.titles[page];
    return [index.docnames[page], title, isPart ? `#${one.anchor}` : "", null, score, index.filenames[page]];
  });
  const least = Math.max(...ranked.map((one) => one[4])) / 3;
  return ranked.filter((one) => one[4] >= least).sort((one, other) => one[4] - other[4] || (one[1] < other[1] ? 1 : -1));
};
