// Sphinx writes this file into language_data.js. Words are compared without accents, as `search.py` writes them into the index.
const withoutAccents = (text) =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase()
    .replace(/œ/g, "oe").replace(/æ/g, "ae").replace(/ø/g, "o").replace(/ł/g, "l").replace(/ß/g, "ss");

var splitQuery = (query) => withoutAccents(query).split(/[^\p{L}\p{N}_]+/u).filter((word) => word);

const stems = (text) => {
  const stemmer = new Stemmer();
  return new Set(splitQuery(text).filter((word) => !stopwords.includes(word)).map((word) => stemmer.stemWord(word)));
};

// By page, the share of the asked words that stand in the heading that has most of them, and this heading.
const bestHeadings = (index, asked) => {
  const best = new Map();
  for (const [title, places] of Object.entries(index.alltitles)) {
    const words = stems(title);
    const share = [...asked].filter((word) => words.has(word)).length / Math.max(asked.size, 1);
    for (const [file, anchor] of places) {
      const before = best.get(index.docnames[file]);
      const better = !before || share > before.share || (share === before.share && words.size < before.size);
      if (better) best.set(index.docnames[file], { share, size: words.size, title, anchor });
    }
  }
  return best;
};

// What counts most is the share of the asked words in one heading; where all are, the result leads to this heading.
let headings;
var Scorer = {
  score: (result) => {
    const [page, title, anchor, description, score] = result;
    headings ??= bestHeadings(Search._index, stems(new URLSearchParams(location.search).get("q") || ""));
    const best = headings.get(page) || { share: 0 };
    if (best.share === 1 && best.anchor && !anchor && !description) {
      result[1] = `${title} > ${best.title}`;
      result[2] = `#${best.anchor}`;
    }
    return score + 50 * best.share;
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
