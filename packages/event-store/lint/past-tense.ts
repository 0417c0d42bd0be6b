/** Words that end like a past form and are none. */
const lookAlikes = new Set(
  "bed bleed breed creed deed embed exceed feed greed heed hundred indeed naked need newsfeed proceed red reed sacred seed shed sled speed steed succeed weed wicked".split(
    " ",
  ),
);

/** Past participles, and the past forms that differ from them, of verbs that an event may be about. */
const irregular = new Set(
  "arisen arose awoken awoke became become been begun began bent beset bet bid blown blew bound bought bred broadcast broke broken brought built burnt burst cast caught chosen chose clung come came cost crept cut dealt done drawn drew dreamt driven drove drunk drank dug eaten ate fallen fell fed felt fit fled flown flew forbade forbidden foreseen forgiven forgave forgot forgotten fought found froze frozen given gave gone went got gotten grew grown had heard held hid hidden hit hung hurt kept knew known laid lain lay leant learnt led left lent let lit lost made meant met misread mistaken mistook mistyped mown offset outdone overcome overdone overheard overridden overrode overseen overtaken overthrown overwritten overwrote paid partook proven put quit ran read rebuilt recast redid redone redrawn remade repaid reran reread resent reset resold retaken rethought retold rewound rewritten rewrote rid ridden risen rode rose rung run said sat saw seen sent set sewn shaken shone shook shot shown shrunk shut slept slid sold sought spent split spoke spoken spread spun stolen stood stole stored stuck struck sung sunk swept switched swum swung taken taught thought threw thrown told took torn tore undergone underwent understood undid undone unset unsent unwound upheld upset withdrawn withdrew withheld withstood woke woken won wore worn wound written wrote".split(
    " ",
  ),
);

/** Whether a word says that something has happened: a regular form, or one of the list. */
export function isPastTense(word: string): boolean {
  if (irregular.has(word)) return true;
  return /^[a-z]{2,}ed$/.test(word) && !lookAlikes.has(word);
}
