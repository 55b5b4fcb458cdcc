// The book before its programming interface: numbered pages are chapters, and a name in gmlib is not an explanation.
var Scorer = {
  score: ([, title, , , score]) => score + (/^\d+\. /.test(title) ? 2 : 0),
  objNameMatch: 4, objPartialMatch: 2, objPrio: { 0: 0, 1: 0, 2: -2 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
