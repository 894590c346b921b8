"""French words of pay: of the calculator, its script, and plans as they are told. `{}` stands for a number, a day, a currency.

What a company writes into its own plan files, such as titles and who decides, stays as written, except the sample's.
"""

from __future__ import annotations

import re

from . import catalogues

FRENCH = {
    # --- the calculator: `earn.html` and `earn.js`
    ",": "\u202f", ".": ",", "Role": "Fonction", "won deals": "affaires gagnées", "won renewals": "renouvellements gagnés",
    "accepted leads": "pistes acceptées", " of who reports to you": " de votre équipe directe",
    " of your team": " de toute votre équipe", "of your own": "à vous", "this month": "ce mois",
    "this quarter": "ce trimestre", "this year": "cette année", "quarter": "trimestre", "month": "mois",
    "whole year": "année entière", "year up to this quarter's end": "année jusqu’à la fin de ce trimestre",
    "Your quota of the {}, {}": "Votre quota ({})\u00a0: {}", "Attained so far {}, {}": "Atteint jusqu’ici {}\u00a0: {}",
    "Of it before this quarter, {}": "Dont avant ce trimestre\u00a0: {}",
    "Paid on so far {}, {}": "Base de calcul jusqu’ici {}\u00a0: {}", ", as {}": ", en crédit {}", " or ": " ou ",
    "split": "de partage (split)", "overlay": "additionnel (overlay)",
    "As counted towards the quota, with its factors.": "Tel que compté dans le quota, coefficients compris.",
    "The amounts that pay, where they differ from what counts towards the quota. Empty: the same.":
        "Les montants qui rapportent, s’ils diffèrent de ce qui compte dans le quota. Vide\u00a0: les mêmes.",
    "Your variable pay of a year, at target": "Votre part variable annuelle cible",
    "From your plan letter.": "D’après votre lettre de rémunération variable.",
    "Month of the fiscal year": "Mois de l’exercice", "Quarter of the fiscal year": "Trimestre de l’exercice",
    "Amount of the deal": "Montant de l’affaire", "Your share of it, where it is split.": "Votre part, si elle est partagée.",
    "Term, in years": "Durée, en années",
    "The plan pays the same for every term.": "Le plan rapporte autant quelle que soit la durée.",
    "You are credited as": "Vous êtes crédité en", "It is a deal": "L’affaire est", "Paid in advance": "Payée d’avance",
    "It is a renewal": "C’est un renouvellement", "More leads accepted": "Pistes acceptées en plus",
    "Where you stand": "Où vous en êtes", "The leads": "Les pistes", "The deal": "L’affaire", "{} leads": "{} pistes",
    "A marked field is no amount, like 25,000.00, or no whole number, like 3.":
        "Un champ marqué n’est pas un montant, comme 25\u202f000,00, ou pas un nombre entier, comme 3.",
    "Type your quota and the deal to see what it pays.": "Saisissez votre quota et l’affaire pour voir ce qu’elle rapporte.",
    "Type your variable pay and the deal to see what it pays.":
        "Saisissez votre part variable et l’affaire pour voir ce qu’elle rapporte.",
    "Not in it: {}.": "Non compris\u00a0: {}.",
    "Pay can be taken back when the contract is cancelled early.":
        "Une reprise est possible si le contrat est résilié avant terme.",
    "Deals so far are taken as paid on what they counted: where factors made a difference, a cent may.":
        "Les affaires passées sont prises à ce qu’elles ont compté\u00a0: avec des coefficients, un centime peut différer.",
    "A gate is still closed: what is behind it pays nothing until it opens.":
        "Un seuil de déclenchement n’est pas atteint\u00a0: ce qui en dépend ne rapporte rien d’ici là.",
    "The deal opens a gate: what waited behind it is in it.":
        "L’affaire atteint un seuil de déclenchement\u00a0: ce qui l’attendait est compris.",
    "A cap looks at all deals of the period. What it leaves of this one cannot be told from totals: this is before the cap.":
        "Un plafond porte sur la période. Ce qu’il laisse de celle-ci ne se voit pas dans des totaux\u00a0: avant plafond.",
    "The deal opens the gate. What that lets through of earlier deals cannot be told from totals and is not in it.":
        "L’affaire atteint le seuil de déclenchement. Ce qu’il libère ne se voit pas dans des totaux\u00a0: non compris.",
    "The deal opens the gate of earlier months, too. What they then pay cannot be told from totals and is not in it.":
        "L’affaire atteint aussi le seuil de mois passés. Leur apport ne se voit pas dans des totaux\u00a0: non compris.",
    "The cents of what is held depend on the deals before it: they may differ by one.":
        "Les centimes retenus dépendent des affaires précédentes\u00a0: ils peuvent différer d’un.",
    ": {}": "\u00a0: {}", "This deal pays {}": "Cette affaire rapporte {}", "These leads pay {}": "Ces pistes rapportent {}",
    "The next 10,000 after that would pay {}.": "Les 10\u202f000 suivants rapporteraient {}.",
    "The next lead after that would pay {}.": "La piste suivante rapporterait {}.", "{} of quota": "{} du quota",
    "Each deal stands alone: it is placed in the tiers by its own size.":
        "Chaque affaire compte seule\u00a0: sa taille la place dans les paliers.",
    "Your position moves from {} to {}.": "Votre position passe de {} à {}.", "A cap withholds {}.": "Un plafond retire {}.",
    "you are here": "vous êtes ici", "after the deal": "après l’affaire", "after the leads": "après les pistes",
    "of quota": "du quota", "of this deal": "de cette affaire", "of these leads": "de ces pistes", "position": "position",
    "Tiers: {}": "Paliers\u00a0: {}", "{} of target, whole tier": "{} de la cible, palier entier",
    "{}, whole tier": "{}, palier entier", "What one deal pays, by its size": "Ce que rapporte une affaire, selon sa taille",
    "What all deals of the period pay together": "Ce que rapportent ensemble les affaires de la période",
    ", the gate open": ", seuil de déclenchement atteint", ", before the cap on each": ", avant le plafond par affaire",
    "quota": "quota", "; ring: now, dot: after it": " ; cercle\u00a0: maintenant, point\u00a0: après",
    # --- a plan's rules
    "part": "partie", "tier": "palier", "rate": "taux", "pays": "rapporte", "term": "règle", "says": "contenu",
    "attainment": "atteinte", "pay": "rémunération", "next {} sold": "{} suivants vendus",
    "Pay by attainment, for a quota of {} {}:": "Rémunération selon l’atteinte, pour un quota de {} {}\u00a0:",
    "The plans as in force on {}.": "Les plans en vigueur au {}.", "{}": "{}", "{} {}": "{} {}", "{}%": "{}\u00a0%", "–": "–",
    "{}% to {}% of quota": "de {}\u00a0% à {}\u00a0% du quota", "{}% of quota and more": "{}\u00a0% du quota et plus",
    "{} {} and more": "{} {} et plus", "{} and more": "{} et plus", "{} to {} {}": "de {} à {} {}",
    "{} × target": "{} × cible", "in proportion": "au prorata",
    "{}% of the target pay for the whole tier": "{}\u00a0% de la part variable cible pour le palier entier",
    "{} {} for the whole tier": "{} {} pour le palier entier",
    "{} % of the target pay for {} % of quota": "{}\u00a0% de la part variable cible pour {}\u00a0% du quota",
    "{} {} a lead": "{} {} par piste", "{} {} on {} {} sold": "{} {} pour {} {} vendus", "whole plan": "tout le plan",
    "applies to": "s’applique à", "decided by": "décidé par", "target pay": "rémunération cible", "{}% base": "{}\u00a0% fixe",
    "{}% variable": "{}\u00a0% variable", "of the plan": "du plan", "in quarters of {}%": "par trimestres de {}\u00a0%",
    "rounding": "arrondi", "quota of a new hire": "quota d’un nouveau venu",
    "the sum of what those who report to the person carry": "la somme des quotas de l’équipe directe",
    "halves to the even cent": "demi-centimes au centime pair", "parts of a cent up": "au centime supérieur",
    "parts of a cent down": "au centime inférieur", "quota of a part of the time": "quota d’une partie de la période",
    "by calendar days in the role": "selon les jours calendaires dans la fonction", "draw": "avance récupérable",
    "{} {} a quarter in the first {} months": "{} {} par trimestre les {} premiers mois",
    "{} {} a month in the first {} months": "{} {} par mois les {} premiers mois", "{} {} a quarter": "{} {} par trimestre",
    "{} {} a month": "{} {} par mois", "topped up, and owed": "complétée, et due", "topped up, not owed": "complétée, non due",
    "paid beforehand, and owed": "versée d’avance, et due",
    "{}% of what exceeds it is taken back": "reprise de {}\u00a0% de ce qui la dépasse",
    "at most {} {} owed": "dette de {} {} au plus", "pays on": "porte sur", "position in the quota": "position dans le quota",
    "split credits of won deals": "crédits de partage (split) des affaires gagnées",
    "overlay credits of won deals": "crédits additionnels (overlay) des affaires gagnées",
    "split and overlay credits of won deals": "crédits de partage (split) et additionnels (overlay) des affaires gagnées",
    "split credits of won renewals": "crédits de partage (split) des renouvellements gagnés",
    "split credits of accepted leads": "crédits de partage (split) des pistes acceptées",
    "split credits of won deals of who reports to the person":
        "crédits de partage (split) des affaires gagnées de l’équipe directe",
    "split credits of won deals of all below the person": "crédits de partage (split) des affaires gagnées de toute l’équipe",
    "each credit stands alone": "chaque crédit compte seul", "starts at {} each month": "repart de {} chaque mois",
    "starts at {} each quarter": "repart de {} chaque trimestre", "starts at {} each year": "repart de {} chaque année",
    "against the year's quota": "face au quota de l’année", "against the quota up to now": "face au quota à ce jour",
    "tiers": "paliers",
    "a rate pays on the part of the credit that lies in its tier": "chaque taux porte sur la part du crédit dans son palier",
    "the rate of the tier reached pays on all credit of the period":
        "le taux du palier atteint porte sur tout le crédit de la période",
    "every credit is placed in the tiers by its own size": "la taille de chaque crédit le place dans les paliers",
    "a part of a tier pays its share of what the whole tier pays": "une partie d’un palier rapporte sa part du palier entier",
    "counts towards the quota": "compte dans le quota", "is paid on": "base de calcul", "{} years × {}": "{} ans × {}",
    "paid in advance × {}": "payé d’avance × {}", "renewals × {}": "renouvellements × {}", "gate": "seuil de déclenchement",
    "cap": "plafond", "{} {} a deal": "{} {} par affaire", "{} {} a period": "{} {} par période",
    "{}% of what is above": "{}\u00a0% au-delà", "is payable": "payable", "on booking": "à la commande",
    "on invoice": "à la facture", "when the customer has paid": "quand le client a payé",
    "{} months after the booking": "{} mois après la commande", "{}% on booking": "{}\u00a0% à la commande",
    "{}% on invoice": "{}\u00a0% à la facture", "{}% when the customer has paid": "{}\u00a0% quand le client a payé",
    "{}% {} months after the booking": "{}\u00a0% {} mois après la commande", "clawback": "reprise (clawback)",
    "the part of the term that is not served": "la part de la durée non exécutée",
    "{}% of the pay": "{}\u00a0% du montant versé", "{}% within {} months": "{}\u00a0% sous {} mois",
    "of contracts cancelled within {} months": "contrats résiliés sous {} mois",
    "never more than was paid": "jamais plus que le montant versé", "deals won from {} to {}": "affaires gagnées du {} au {}",
    "type new": "type\u00a0: nouveau (new)", "type expansion": "type\u00a0: extension (expansion)",
    "type renewal": "type\u00a0: renouvellement (renewal)", "segment {}": "segment {}", "award": "prime", "budget": "budget",
    "in the order of the deals": "dans l’ordre des affaires", "beside another SPIF": "avec un autre SPIF",
    "both pay": "les deux rapportent",
    "a deal that an earlier one paid pays no second one": "une affaire déjà primée n’en rapporte pas un second",
    "weight": "poids", "{}% of the variable pay when all is achieved": "{}\u00a0% de la part variable si tout est atteint",
    "the draw": "l’avance récupérable",
    # --- what the plans of the sample say in words of their own
    "bookings": "affaires gagnées", "renewals": "renouvellements", "team bookings": "affaires de l’équipe",
    "objectives": "objectifs", "new smb": "nouveaux clients PME (SMB)", "account executive": "commercial",
    "customer success": "réussite client", "development rep": "chargé de prospection", "manager": "responsable commercial",
    "solution engineer": "ingénieur avant-vente", "chief revenue officer and finance": "directeur du revenu (CRO) et finance",
    "objectives of the quarter": "objectifs du trimestre",
    "judged by the head of customer success": "évalués par la direction de la réussite client",
    "judged by the chief revenue officer": "évalués par le directeur du revenu (CRO)",
    "the SPIF new smb": "le SPIF nouveaux clients PME (SMB)", "the part objectives": "la partie objectifs",
    "Account executive, bookings": "Commercial\u00a0: affaires gagnées",
    "Customer success manager, renewals and objectives":
        "Responsable de la réussite client\u00a0: renouvellements et objectifs",
    "Development rep, accepted leads": "Chargé de prospection\u00a0: pistes acceptées",
    "Sales manager, team bookings and objectives": "Responsable commercial\u00a0: affaires en équipe et objectifs",
    "Solution engineer, overlay credits": "Ingénieur avant-vente\u00a0: crédits additionnels (overlay)",
    "The calculator is not here: {}. [How the plans pay](compensation.md).":
        "Le calculateur n’est pas ici\u00a0: {}. [Comment se calcule la part variable](compensation.md).",
    "The plans are not here: {}.": "Les plans ne sont pas ici\u00a0: {}.",
    "there is no run yet": "il n’y a pas encore de chiffres",
    "the rules of plans are not published here": "les règles des plans ne sont pas publiées ici",
    "the data of the last run are not where this site was built":
        "les données du dernier trimestre ne sont pas là où ce site a été construit",
    "This calculator needs JavaScript.": "Ce calculateur a besoin de JavaScript.",
    "example, nobody has this role": "exemple, personne dans cette fonction",
}  # fmt: skip
_GAP = re.compile(r"\b\d{4}-\d\d-\d\d\b|\b\d[\d,]*(?:\.\d+)?|\b[A-Z]{3}\b")
_BETWEEN = {"; ": "\u00a0; ", ": ": "\u00a0: ", ", ": ", ", " and ": " et "}


def in_french(text: str) -> str:
    """A text in French with its numbers as French writes them, part by part where the whole is not known; as it is where a part
    is not known either.

    >>> in_french("1,300.50 EUR on 10,000 EUR sold").replace(chr(0x202F), "_")
    '1_300,50 EUR pour 10_000 EUR vendus'
    >>> in_french("77% base and 23% variable").replace(chr(0xA0), "_"), in_french("decided by our board")
    ('77_% fixe et 23_% variable', 'decided by our board')
    """
    return _known(text) or text


def _known(text: str) -> str:
    if said := FRENCH.get(text) or FRENCH.get(_GAP.sub("{}", text)):
        return said if text in FRENCH else said.format(*map(catalogues.spoken, _GAP.findall(text)))
    for between, french in _BETWEEN.items():
        first, found, rest = text.partition(between)
        if found and (one := _known(first)) and (other := _known(rest)):
            return f"{one}{french}{other}"
    return ""
