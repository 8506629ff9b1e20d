"""Lines that an outlet puts between or under the paragraphs of an article, and that are not its text. Pure.

Found by reading what trafilatura 2.3 kept wrongly on the labelled pages of shared/data (adbar/trafilatura, 990 pages): 68 of its
275 wrongly kept segments are such lines, and dropping them loses 3 of 2,774 rightly kept ones.
"""

from __future__ import annotations

import re

MAX_LENGTH = 250
"""Characters. A longer line is a paragraph, whatever its first words are."""

_ENGLISH = r"""
(?:read|see|learn|find\ out|watch|listen)(?:\ (?:more|also|next|now))?\s*[:»>|–]
read\ (?:more|also|next)\b
more\s*:\s
for\ more\ (?:stories|news|articles|updates|information|on\ this)\b.{0,80}(?:check|visit|follow|click|see|sign|head|go\ to)\b
for\ (?:the|all\ the|more)\ (?:latest|breaking)\b.{0,120}(?:sign\ up|subscribe|follow|visit|click|newsletter)
check\ out\ (?:more|all|our|the\ latest)\b
get\ in\ touch\b.{0,80}(?:email|e-mail|@|news\ team|whatsapp|calling)
(?:do|have)\ you\ (?:have|got)\b.{0,60}(?:story|tip|news|experience)\b.{0,40}(?:\?|email|@|contact|share)
are\ you\ .{1,80}\?\ (?:email|contact|get\ in\ touch|let\ us\ know|tell\ us|share)\b
(?:story|article)\ (?:content|continues\ below)\s*$
skip\ (?:advert\w*|ad|to\ (?:content|end|main\ content)|past)\b
you\ must\ (?:confirm|be\ logged\ in|log\ in|sign\ in|register)\b
please\ (?:log\s?out|log\ in|sign\ in|enable|disable|whitelist|turn\ off)\b
see\ also\b
also\ read\b
(?:you\ )?(?:may|might)\ also\ (?:like|be\ interested)
related(?:\ (?:articles?|stories|story|content|posts?|reading|topics?|links?|news|coverage))?\s*(?:$|:)
recommended(?:\ (?:for\ you|reading|articles?|stories))?\s*:?\s*$
more\ (?:from|on|about|in|like|stories)\b.{0,40}:?\s*$
most\ (?:read|popular|viewed)\s*(?:$|:|in\b)
trending\s*(?:$|:|now\b)
(?:don.t\ miss|up\ next)\s*(?:$|:)
sign\ up\b
subscribe\b
join\ our\b
follow\ (?:us|me)\b
follow\ .{1,60}\ on\ (?:twitter|x|facebook|instagram|linkedin|bluesky|mastodon|threads|google)\b
get\ (?:the|our)\b.{0,60}(?:newsletter|email|inbox|app)
never\ miss\ (?:a|an|the|our)\b.{0,60}(?:story|stories|news|update|post)
download\ (?:our|the)\b.{0,40}\bapps?\b
for\ the\ latest\ (?:stories|news)
share\ (?:this|on|via)\b
(?:tweet|share|print|e-?mail|whatsapp|facebook|twitter|linkedin|comments?|copy\ link)\s*:?\s*\d*\s*$
advertisement\s*(?:$|[-–:])
(?:continue\ reading|(?:story|article)\ continues|scroll\ to\ continue)
click\ (?:here|to)\b
support\ (?:us|our\ work|our\ journalism)\b
if\ you\ (?:enjoyed|liked)\ (?:this|reading)
we\ want\ to\ hear\ (?:from\ you|what\ you)
(?:have|got)\ a\ (?:news\ )?(?:story|tip)\b
this\ (?:post|article|page|story)\ (?:contains|may\ contain)\ (?:affiliate|references|links|sponsored)
(?:this\ (?:article|story)|the\ full\ (?:article|story))\ is\ (?:for|only|reserved|available\ to|exclusive)\b.{0,30}subscribers
already\ a\ subscriber
this\ (?:story|article|report)\ (?:was|is)\ (?:first\ |originally\ )?(?:published|provided|distributed|supplied|produced)\ by
all\ rights\ reserved
copyright\ ?(?:©|\(c\)|\d{4}|by\b|:)
©
this\ article\ is\ (?:the\ )?copyright
our\ standards:
filed\ under\b
(?:tagged|tags?|categor(?:y|ies)|topics?)\s*(?:$|:)
posted\ (?:in|by|on)\b
(?:last\ (?:modified|updated)\b|updated\s*:|published\s*:)
view\ (?:all\ )?comments
leave\ a\ (?:comment|reply)
comments?\ are\ (?:closed|off)
(?:featured\ image|title\ image|image\ source|photo\ credit|photograph|photos?|images?|pictures?|credits?)\s*(?:by\b|:|/)
we\ use\ cookies\b
this\ (?:site|website)\ uses\ cookies\b
"""
_GERMAN = r"""
anzeige\s*(?:$|[-–:,])
werbung\s*(?:$|[-–:.])
(?:foto|bild|titelbild|beitragsbild|bildquelle|bilder|fotos|quelle|bildnachweis)\s*:
lesen\ sie\ (?:auch|hier|mehr)\b
lies\ (?:auch|hier)\b
auch\ (?:interessant|lesen|lesenswert)\b
mehr\ (?:zum\ thema|dazu|lesen)\b
mehr\ (?:zu|[üu]ber|von)\b.{0,40}$
das\ (?:thema\ )?k[öo]nnte\ (?:sie|dich|euch|ihnen)\ auch
weitere\ (?:artikel|beitr[äa]ge|themen|informationen|meldungen|news|nachrichten|aktuelle)\b
(?:zum\ )?weiterlesen\b
empfohlene\ (?:artikel|beitr[äa]ge|inhalte)|empfehlungen\s*(?:$|:)
passend\ dazu\b
[äa]hnliche\ (?:artikel|beitr[äa]ge|themen)\b
(?:zum\ )?newsletter\s*(?:$|:|-|anmeld|abonn)
jetzt\ (?:abonnieren|anmelden|newsletter)\b
(?:unser|im|in\ unserem)\ newsletter\b
folge[nt]?\ (?:sie\ )?uns\b
vervielf[äa]ltigung\ nur
letzte\ (?:[äa]nderung|aktualisierung)\b
aktualisiert\ am\b
sofern\ nicht\ anders\ (?:ausgewiesen|angegeben)
alle\ rechte\ vorbehalten
zur\ startseite|zur[üu]ck\ zur\ (?:startseite|[üu]bersicht)
(?:vorheriger|n[äa]chster)\ (?:artikel|beitrag)
(?:schlagw[öo]rter|themen|kategorien?)\s*(?:$|:)
(?:teilen|drucken|kommentare?|merken|artikel\ teilen)\s*\d*\s*$
hier\ geht\ es\ zu
top-themen\b
lust\ auf\ mehr
dieser\ artikel\ ist\ (?:nur\ )?f[üu]r\ abonnenten
"""
_ROMANCE = r"""
(?:[àa]\ )?lire\ (?:aussi|[ée]galement|la\ suite)|[àa]\ lire\b
voir\ aussi\b
passer\ (?:la\ publicit[ée]|au\ contenu)
il\ vous\ reste\ [\d.,]+\s?%\ de\ cet\ article
la\ suite\ est\ r[ée]serv[ée]e\ aux\ abonn[ée]s
la\ r[ée]daction\ vous\ (?:conseille|recommande)
publicit[ée]\s*$|publicidade?\s*$|pubblicit[àa]\s*$
pour\ (?:lire\ la\ suite|acc[ée]der\ en\ illimit[ée])
sur\ le\ m[êe]me\ (?:sujet|th[èe]me)
cr[ée]dits?\s+photos?
image\ (?:illustrative|d.illustration)
(?:abonnez|inscrivez)-vous\b|suivez-nous\b
partager\s*(?:$|sur\b|cet\b)
(?:cet\ article|contenu|article)\ (?:est\ )?r[ée]serv[ée]\ aux\ abonn[ée]s
lea\ (?:tambi[ée]n|m[áa]s)\b|lea\s*:|leer\ (?:m[áa]s|tambi[ée]n)|lee\ (?:tambi[ée]n|m[áa]s|aqu[íi])
(?:te|le|les)\ pueden?\ interesar
(?:vea|ver|v[ée]ase)\ tambi[ée]n|mir[ae]\s*:|puedes\ ver
(?:contenido\ relacionado|notas\ relacionadas|noticias\ relacionadas)
m[áa]s\ sobre\b.{0,60}$
suscr[íi]b[ae]\w*\b|s[íi]guenos\b|[úu]nete\b
foto(?:graf[ií]a)?\s*:
temas\s*(?:$|:)
puede\ escribirnos
(?:leia|veja)\ (?:tamb[ée]m|mais)|saiba\ mais
leggi\ anche|lees\ ook
"""
_POLISH = r"""
(?:czytaj|zobacz)\ (?:te[żz]|tak[żz]e|wi[ęe]cej)
dowiedz\ si[ęe]\ wi[ęe]cej
materia[łl]\ chroniony
"""

_PATTERN = re.compile(
    r"[\W_]*(?:"
    + "|".join(line for part in (_ENGLISH, _GERMAN, _ROMANCE, _POLISH) for line in part.strip().splitlines())
    + ")",
    re.IGNORECASE,
)


def is_boilerplate(line: str) -> bool:
    """True for a line that points elsewhere (more to read, newsletter, share, picture credit, copyright), not part of the text."""
    return len(line) < MAX_LENGTH and _PATTERN.match(line) is not None
