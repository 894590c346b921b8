"""Duplicates on public lists with known truth, on planted ones, and against a plain double loop."""

import itertools
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from conftest import SHARED
from rapidfuzz import distance, fuzz, process

from revops_lib import duplicates
from revops_lib.duplicates import evidence
from revops_lib.errors import DataRefused, UsageError

PERSON = {
    ("given_name", "surname"): "person",
    ("street_number", "address_1", "address_2"): "address",
    "suburb": "place",
    "postcode": "place",
    "state": "category",
    "date_of_birth": "code",
    "soc_sec_id": "code",
}
SITE = {
    "Site name": "organisation",
    "Address": "site",
    "Zip": "place",
    "Phone": "phone",
    "Website": "website",
    "Email Address": "email",
}
ACCOUNT = {"name": "organisation", "phone": "phone", "website": "website", "city": "place", "country": "category"}
CONTACT = {"name": "person", "account_id": "reference", "email": "email", "phone": "phone"}
CONTACT_COLUMNS = ["contact_id", "name", "account_id", "email", "phone"]


# --- public lists with known truth --------------------------------------------------------------------------------------


def people(number):
    path = SHARED / "data" / "febrl" / f"dataset{number}.csv"
    if not path.exists():
        pytest.skip("no public list of persons: put it beside the checkout or name its parent in REVOPS_SHARED")
    frame = pd.read_csv(path, dtype="str", skipinitialspace=True, encoding="utf-8")
    frame.columns = frame.columns.str.strip()
    return frame.assign(truth=frame["rec_id"].str.extract(r"rec-(\d+)-", expand=False))


def sites():
    path = SHARED / "data" / "dedupe_sites" / "csv_example_input_with_true_ids.csv"
    if not path.exists():
        pytest.skip("no public list of organisations: put it beside the checkout or name its parent in REVOPS_SHARED")
    frame = pd.read_csv(path, dtype="str", encoding="utf-8")
    return frame.assign(truth=frame["True Id"])


def half_of_sites(which):
    frame = sites()
    return frame[pd.util.hash_array(frame["truth"].to_numpy(dtype=object)) % 2 == which]


LISTS = {
    "febrl 1 (chosen on)": (lambda: people(1), "rec_id", PERSON, ["given_name", "surname"]),
    "febrl 3": (lambda: people(3), "rec_id", PERSON, ["given_name", "surname"]),
    "sites, half (chosen on)": (lambda: half_of_sites(0), "Id", SITE, ["Site name"]),
    "sites, other half": (lambda: half_of_sites(1), "Id", SITE, ["Site name"]),
    "sites": (sites, "Id", SITE, ["Site name"]),
}


@pytest.mark.parametrize("name", LISTS)
def test_precision_and_recall_beside_two_baselines(name):
    load, key, compare, name_columns = LISTS[name]
    records = load()
    truth = records.set_index(key)["truth"]
    proposed = duplicates.pairs(records, key=key, compare=compare)
    methods = {
        "pairs": list(zip(proposed["first"], proposed["second"], strict=True)),
        "clusters": inside(duplicates.clusters(proposed), "cluster"),
        **baselines(records, key, name_columns),
    }
    table = pd.DataFrame({method: quality(found, truth) for method, found in methods.items()}).T
    print(f"\n{name}: {len(records):,} records, {n_true(truth):,} true pairs\n{table.round(4).to_string()}")
    assert table.loc["pairs", "precision"] >= 0.98
    assert table.loc["clusters", "precision"] >= 0.98
    assert table.loc[["pairs", "clusters"], "recall"].min() > table.loc["exact name":, "recall"].max() + 0.1


def n_true(truth):
    n = truth.value_counts()
    return int((n * (n - 1) // 2).sum())


def inside(frame, group):
    """Every pair of keys of the same group."""
    return [pair for _, keys in frame.groupby(group)["key"] for pair in itertools.combinations(keys, 2)]


def quality(found, truth):
    right = sum(truth[one] == truth[other] for one, other in found)
    return {"n": len(found), "precision": right / len(found), "recall": right / n_true(truth)}


def baselines(records, key, columns):
    """All pairs with the same name after normalisation, and all with a token-sort ratio of at least 90."""
    names = records[columns].fillna("").agg(" ".join, axis=1).map(plain)
    exact = inside(pd.DataFrame({"key": records[key], "name": names}), "name")
    ids, texts = records[key].to_numpy(), names.to_numpy()
    near = []
    for at in range(0, len(texts), 500):
        ratio = process.cdist(texts[at : at + 500], texts, scorer=fuzz.token_sort_ratio, score_cutoff=90, workers=-1)
        one, other = np.nonzero(ratio >= 90)
        near += [(ids[at + a], ids[b]) for a, b in zip(one, other, strict=True) if at + a < b]
    return {"exact name": exact, "token sort >= 90": near}


def plain(text):
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(c for c in letters if not unicodedata.combining(c))))


# --- planted among generated names ----------------------------------------------------------------------------------------


def made_accounts(n, seed):
    """Accounts with names of two made-up words and a trade, all different."""
    random = np.random.default_rng(seed)
    words = [
        "".join(random.choice(list("bdfgklmnprstvz")) + random.choice(list("aeiou")) for _ in range(k)) for k in [2, 3, 4] * 300
    ]
    trades = ["Bakery", "Foods", "Logistics", "Software", "Tools"]
    names = {}
    while len(names) < n:
        one, other, trade = (part[random.integers(len(part))] for part in (words, words, trades))
        names[f"{one} {other} {trade}".title()] = None
    return pd.DataFrame({
        "account_id": [f"A{k:05d}" for k in range(n)],
        "name": list(names),
        "phone": [f"+49 30 {k}" for k in random.choice(10**7, n, replace=False) + 10**7],
        "website": [f"https://www.site{k}.example" for k in range(n)],
        "city": random.choice(["Aldorf", "Bested", "Cwmby"], n),
        "country": random.choice(["Germany", "France"], n),
    })  # fmt: skip


def entered_again(accounts, n, seed):
    """`n` of the accounts, as somebody else would type them: other legal form, capitals, a letter less, fields left empty."""
    random = np.random.default_rng(seed)
    again = accounts.iloc[random.choice(len(accounts), n, replace=False)].copy()
    changes = [
        lambda name: f"{name} GmbH",
        lambda name: f"{name.upper()}, INC.",
        lambda name: name[:2] + name[3:],
        lambda name: " ".join(reversed(name.split())),
        lambda name: f"The {name.replace('e', 'é')} S.A.S.",
    ]
    again["name"] = [changes[k % len(changes)](name) for k, name in enumerate(again["name"])]
    again.loc[random.random(n) < 0.3, "website"] = None
    again.loc[random.random(n) < 0.3, "city"] = None
    again["phone"] = [phone if k % 3 else phone.replace("+49 30 ", "(030) ") for k, phone in enumerate(again["phone"])]
    return again.assign(original=again["account_id"], account_id=[f"B{k:05d}" for k in range(n)])


def test_planted_duplicates_are_found_and_nothing_else():
    accounts = made_accounts(2000, seed=1)
    again = entered_again(accounts, 90, seed=2)
    found = duplicates.pairs(pd.concat([accounts, again]), key="account_id", compare=ACCOUNT)
    planted = set(zip(again["original"], again["account_id"], strict=True))
    right = planted & set(zip(found["first"], found["second"], strict=True))
    assert len(right) >= 0.95 * len(planted)
    assert len(right) >= 0.98 * len(found)


@pytest.mark.parametrize("compare", [ACCOUNT, {"name": "organisation"}, {"name": "organisation", "country": "category"}])
def test_silent_where_nothing_is_planted(compare):
    assert duplicates.pairs(made_accounts(2000, seed=3), key="account_id", compare=compare).empty


def test_numbered_names_are_different():
    numbered = pd.DataFrame({"id": range(300), "name": [f"Customer {k:04d}" for k in range(300)], "country": "Spain"})
    assert duplicates.pairs(numbered, key="id", compare={"name": "organisation", "country": "category"}).empty


def test_namesakes_by_chance_prove_nothing():
    """Names drawn from few words are met twice by chance; a name of its own that is there twice is not."""
    random = np.random.default_rng(13)
    words = [
        one + other for one in ["al", "bir", "ced", "el", "fir", "map"] for other in ["der", "field", "hurst", "mere", "ton"]
    ]
    names = [" ".join([*random.choice(words, 2), "bakery"]) for _ in range(2000)]
    assert pd.Series(names).duplicated().sum() > 500
    records = pd.DataFrame(
        {"id": [f"{k:04d}" for k in range(2002)], "name": [*names, "Zephyrine Bakery", "ZEPHYRINE Bakery Ltd"]}
    )
    found = duplicates.pairs(records, key="id", compare={"name": "organisation"})
    assert found[["first", "second"]].to_numpy().tolist() == [["2000", "2001"]]


# --- one pair at a time ---------------------------------------------------------------------------------------------------


def proposed(rows, compare, level=0.95, columns=None):
    columns = columns or ["id", *[c for given in compare for c in ([given] if isinstance(given, str) else given)]]
    return duplicates.pairs(pd.DataFrame(rows, columns=columns, dtype="object"), key=columns[0], compare=compare, level=level)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller & Söhne GmbH", "MULLER UND SOHNE"),
        ("Acme, Inc.", "ACME Corporation"),
        ("Café Élan SAS", "Cafe Elan S.A.S."),
        ("Ørsted Vind A/S", "Orsted Vind AS"),
        ("The Alder Company", "Alder Co., Ltd."),
        ("O’Brien Tools Ltd", "OBrien Tools"),
        ("Łąka Sp. z o.o.", "Laka"),
        ("Tools North Alder", "Alder North Tools"),
    ],
)
def test_spellings_of_one_organisation(one, other):
    found = proposed([("A", one), ("B", other)], {"name": "organisation"})
    assert found["reason"].tolist() == ["same name"]


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("phone", "+33 1 23 45 67 89", "01.23.45.67.89"),
        ("phone", "(312) 555-0100 ext. 12", "+1 312 555 0100"),
        ("email", "Kim.Alder+news@One.example", "kim.alder@one.example"),
        ("website", "https://www.one.example/en?x=1", "one.example"),
        ("code", "FR 12-345.678", "fr12345678"),
        ("person", "Dr. Alder, Kim", "KIM ALDER"),
        ("site", "3449 West Arthington Street", "3449 W. Arthington St."),
        ("address", "Hauptstraße 12", "Hauptstr. 12"),
        ("place", "São Paulo", "SAO PAULO"),
    ],
)
def test_spellings_of_one_thing(kind, one, other):
    found = proposed([("A", one, "X 1"), ("B", other, "X 1")], {"thing": kind, "register": "code"}, level=0.02)
    assert found["reason"].tolist() == ["same thing and register"] or kind == "code"


def test_who_is_not_proposed():
    nobody = [
        # the same name in two companies, other e-mail and phone
        [
            ("C1", "Kim Alder", "A1", "kim.alder@one.example", "555 010 1001"),
            ("C2", "Kim Alder", "A2", "kim@two.example", "555 010 1002"),
        ],
        # the same name and nothing else known
        [("C1", "Kim Alder", None, None, None), ("C2", "Kim Alder", None, None, None)],
        # relatives in a family business
        [("C1", "Kim Alder", "A1", None, "555 010 1001"), ("C2", "Robin Alder", "A1", None, "555 010 1001")],
        # colleagues behind one mailbox and one phone
        [
            ("C1", "Kim Alder", "A1", "info@one.example", "555 010 1001"),
            ("C2", "Robin Birch", "A1", "info@one.example", "555 010 1001"),
        ],
        # two unnamed contacts at one switchboard
        [("C1", None, "A1", None, "555 010 1001"), ("C2", None, "A1", None, "555 010 1001")],
        # mailboxes that are a digit apart
        [("C1", None, "A1", "desk1@one.example", None), ("C2", None, "A1", "desk2@one.example", None)],
    ]
    for rows in nobody:
        assert proposed(rows, CONTACT, columns=CONTACT_COLUMNS).empty, rows


def test_who_is_proposed_and_why():
    somebody = {
        "same name and account id": [("C1", "Kim Alder", "A1", None, None), ("C2", "Kim Alder", "A1", None, None)],
        "same email; name 94 % alike; account id differs": [
            ("C1", "Kim Alder", "A1", "kim.alder@one.example", None), ("C2", "Kim Adler", "A2", "kim.alder@one.example", None)],
        "same name and phone; email differs": [
            ("C1", "Kim Alder", None, "kim@one.example", "555 010 1001"), ("C2", "Alder, Kim", None, "k@two.example", "5550101001")],
    }  # fmt: skip
    for reason, rows in somebody.items():
        found = proposed(rows, CONTACT, columns=CONTACT_COLUMNS)
        assert len(found) == 1 and found.loc[0, "score"] >= 0.95, reason
        assert re.sub(r"\d+ %", "", found.loc[0, "reason"]) == re.sub(r"\d+ %", "", reason)


def test_missing_values_are_no_evidence():
    compare = {"name": "organisation", "phone": "phone", "city": "place"}
    bare = proposed([("A", "Alder Tools", None, None), ("B", "Alder Tools", None, None)], compare)
    half = proposed([("A", "Alder Tools", "555 010 1001", None), ("B", "Alder Tools", None, "Aldorf")], compare)
    words = proposed([("A", "Alder Tools", "0000000", "Unknown"), ("B", "Alder Tools", "0000000", "unknown")], compare)
    without = proposed([("A", "Alder Tools"), ("B", "Alder Tools")], {"name": "organisation"})
    assert bare["score"].tolist() == half["score"].tolist() == words["score"].tolist() == without["score"].tolist()
    assert proposed([("A", None, None, None), ("B", None, None, None)], compare, level=0.01).empty


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("code", "DE123456789", "FR987654321"),
        ("website", "one.example", "two.example"),
        ("site", "12 Mill Road", "89 Mill Road"),
        ("email", "hello@one.example", "hello@two.example"),
        ("phone", "555 010 1001", "555 010 7777"),
        ("place", "60624", "60625"),
        ("category", "SMB", "Enterprise"),
    ],
)
def test_contradicting_identifiers_count_against(kind, one, other):
    compare = {"name": "organisation", "thing": kind}
    missing, agreeing, contradicting = (
        proposed([("A", "Alder Tools", a), ("B", "Alder Tools", b)], compare, level=1e-6).loc[0]
        for a, b in [(one, None), (one, one), (one, other)]
    )
    assert contradicting["score"] < missing["score"]
    assert agreeing["score"] >= missing["score"]  # what both of two records hold may be what everybody holds
    assert contradicting["reason"] == "same name; thing differs"
    assert (contradicting["score"] < 0.95) == (evidence.KINDS[kind].differs <= -2)


def test_two_branches_are_not_one():
    compare = {"name": "organisation", "phone": "phone", "address": "site"}
    branches = [("A", "Alder Tools", "555 010 1001", "12 Mill Road"), ("B", "Alder Tools", "555 010 1001", "89 Church Lane")]
    assert proposed(branches, compare).empty
    assert proposed(branches, {**compare, "address": "address"}).loc[0, "reason"] == "same name and phone; address differs"


def test_a_parent_is_no_duplicate():
    group = pd.DataFrame({"id": ["A", "B", "C"], "above": [None, "A", None], "name": ["Alder Tools"] * 3})
    found = duplicates.pairs(group, key="id", compare={"name": "organisation"}, parent="above")
    assert found[["first", "second"]].to_numpy().tolist() == [["A", "C"], ["B", "C"]]


# --- the whole ------------------------------------------------------------------------------------------------------------


def test_any_order_of_rows_gives_the_same():
    accounts = made_accounts(500, seed=4)
    records = pd.concat([accounts, entered_again(accounts, 60, seed=5)], ignore_index=True)
    first = duplicates.pairs(records, key="account_id", compare=ACCOUNT)
    shuffled = records.sample(frac=1, random_state=6)
    second = duplicates.pairs(shuffled, key="account_id", compare=ACCOUNT)
    assert len(first) > 40
    pd.testing.assert_frame_equal(first, second)
    mixed = first.sample(frac=1, random_state=7)
    pd.testing.assert_frame_equal(duplicates.clusters(first), duplicates.clusters(mixed))
    limits = [duplicates.limits(frame, key="account_id", compare=ACCOUNT) for frame in (records, shuffled)]
    assert len(limits[0]) > 0
    pd.testing.assert_frame_equal(*limits)


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_to_compare_with(n):
    records = made_accounts(3, seed=1).head(n)
    found = duplicates.pairs(records, key="account_id", compare=ACCOUNT)
    assert found.empty and list(found) == ["first", "second", "score", "reason"]
    groups = duplicates.clusters(found)
    assert groups.empty and list(groups) == ["cluster", "key", "n", "score", "reason"]
    limited = duplicates.limits(records, key="account_id", compare=ACCOUNT)
    assert limited.empty and list(limited) == ["block", "value", "n", "n_left_out"]


def test_columns_that_are_empty_throughout():
    records = pd.DataFrame({"id": ["A", "B"], "name": ["Alder Tools"] * 2, "phone": [None, None], "where": [np.nan, np.nan]})
    compare = {"name": "organisation", "phone": "phone", "where": "site"}
    assert len(duplicates.pairs(records, key="id", compare=compare)) == 1
    assert duplicates.pairs(records.assign(name=None), key="id", compare=compare).empty


@pytest.mark.parametrize("ids", [["A", "B", "A"], ["A", None, "B"]])
def test_ids_must_be_present_and_unique(ids):
    records = pd.DataFrame({"account_id": ids, "name": ["x", "y", "z"]})
    for function in (duplicates.pairs, duplicates.limits):
        with pytest.raises(DataRefused, match=r"ids must be present and unique — account_id: (A|missing)"):
            function(records, key="account_id", compare={"name": "organisation"})


def test_wrong_questions_are_refused():
    records = made_accounts(3, seed=1)
    with pytest.raises(UsageError, match=r"column nmae is not there.*did you mean name"):
        duplicates.pairs(records, key="account_id", compare={"nmae": "organisation"})
    with pytest.raises(UsageError, match=r"unknown kind of evidence organization.*did you mean organisation"):
        duplicates.pairs(records, key="account_id", compare={"name": "organization"})
    with pytest.raises(UsageError, match="nothing to compare"):
        duplicates.pairs(records, key="account_id", compare={})
    with pytest.raises(UsageError, match="level 95 is not between 0 and 1"):
        duplicates.pairs(records, key="account_id", compare=ACCOUNT, level=95)


def test_records_given_are_left_as_they_were():
    accounts = made_accounts(50, seed=1)
    before = accounts.copy(deep=True)
    duplicates.pairs(accounts, key="account_id", compare=ACCOUNT)
    pd.testing.assert_frame_equal(accounts, before)


def test_a_chain_of_pairs_is_not_one_cluster():
    chain = pd.DataFrame(
        [(k, k + 1, 0.99 - k / 1000, "same name") for k in range(8)], columns=["first", "second", "score", "reason"]
    )
    groups = duplicates.clusters(chain)
    assert groups["n"].max() <= 4
    assert groups["key"].is_unique
    ring = pd.DataFrame([(a, b, 0.99, "same name") for a, b in itertools.combinations(range(6), 2)], columns=list(chain))
    assert duplicates.clusters(ring)["n"].tolist() == [6] * 6


def test_a_cluster_shows_its_weakest_link():
    made = [
        ("A", "B", 0.999, "same phone"),
        ("A", "C", 0.96, "same name"),
        ("B", "C", 0.97, "same email"),
        ("X", "Y", 0.98, "same site"),
    ]
    groups = duplicates.clusters(pd.DataFrame(made, columns=["first", "second", "score", "reason"]))
    assert groups["cluster"].tolist() == [1, 1, 1, 2, 2]
    assert groups["key"].tolist() == list("ABCXY")
    assert groups["score"].tolist() == [0.97] * 3 + [0.98] * 2  # B and C hold the third record more firmly than A does
    assert groups["reason"].unique().tolist() == ["B, C: same email", "X, Y: same site"]


# --- against slower ways ----------------------------------------------------------------------------------------------------


def test_blocks_lose_little_and_say_what_they_leave_out():
    accounts = made_accounts(600, seed=8)
    records = pd.concat([accounts, entered_again(accounts, 80, seed=9)], ignore_index=True)
    everything = duplicates.pairs(records, key="account_id", compare=ACCOUNT, block=len(records))
    blocked = duplicates.pairs(records, key="account_id", compare=ACCOUNT)
    assert duplicates.limits(records, key="account_id", compare=ACCOUNT, block=len(records)).empty
    limits = duplicates.limits(records, key="account_id", compare=ACCOUNT)
    assert set(limits["value"]) == {"bakery", "foods", "logistics", "software", "tools"}
    kept = everything.merge(blocked, on=["first", "second", "score", "reason"])
    assert len(kept) == len(blocked) >= 0.97 * len(everything) > 60


def test_a_block_too_large_is_compared_between_neighbours_and_listed():
    codes = [f"{letter}{k * 1111:06d}" for k, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=1)]
    codes += [
        "z001111",
        "c003334",
    ]  # an edit from the first code at the other end of the alphabet; an edit from the third beside it
    shared = pd.DataFrame({"id": range(10, 38), "phone": "555 010 1001", "code": codes})
    ask = {"key": "id", "compare": {"phone": "phone", "code": "code"}, "level": 0.3}
    far, near = [10, 36], [12, 37]
    assert duplicates.pairs(shared, **ask, block=28)[["first", "second"]].to_numpy().tolist() == [far, near]
    assert duplicates.pairs(shared, **ask, block=5)[["first", "second"]].to_numpy().tolist() == [near]
    limits = duplicates.limits(shared, key="id", compare=ask["compare"], block=5)
    assert limits.to_numpy().tolist() == [["same phone", "550101001", 28, 19 * 20 // 2]]


PLAIN = {"name": "organisation", "kim": "person", "phone": "phone", "code": "code", "mail": "email", "city": "place",
    "zip": "place", "site": "site", "segment": "category", "website": "website", "account": "reference"}  # fmt: skip


def written_plainly(n, seed):
    """Records in which every value already is its own normal form, typed wrong or left out here and there."""
    random = np.random.default_rng(seed)

    def typed(text):
        at = int(random.integers(1, len(text) - 1))
        return random.choice([text, text, text[:at] + text[at + 1 :], text[:at] + text[at + 1] + text[at] + text[at + 2 :]])

    def name(parts):
        words = " ".join(typed(word) if random.random() < 0.3 else word for word in random.choice(parts, 3))
        return " ".join(sorted(words.split()))

    digits = [str(k) for k in random.integers(10**8, 10**9, 6)]
    rows = {
        "name": lambda: name(["alder", "birchwood", "cedarhurst", "elmstead", "foods", "tools", "branch 7", "branch 8"]),
        "kim": lambda: name(["kim", "robin", "alexandra", "aldermann", "birkenfeld"]),
        "phone": lambda: str(random.choice(digits)),
        "code": lambda: typed("x" + str(random.choice(digits))),
        "mail": lambda: f"{typed('hello')}{random.choice(['', '1', '2'])}@{random.choice(['one', 'two'])}.example",
        "city": lambda: typed(str(random.choice(["aldorf", "bested", "cwmbydale"]))),
        "zip": lambda: str(random.choice(["60624", "60642", "60625"])),
        "site": lambda: f"{random.choice(['1 ', '2 ', ''])}{typed('millgate')} {random.choice(['hill', 'dale'])}",
        "segment": lambda: str(random.choice(["smb", "enterprise"])),
        "website": lambda: f"{random.choice(['one', 'two', 'six'])}.example",
        "account": lambda: str(random.choice(["A1", "A2"])),
    }
    made = [{c: value() if c == "name" or random.random() < 0.8 else None for c, value in rows.items()} for _ in range(n)]
    return pd.DataFrame(made).assign(id=[f"{k:03d}" for k in range(n)])


def test_scores_equal_a_plain_double_loop():
    records = written_plainly(50, seed=12)
    expected = by_double_loop(records)
    found = duplicates.pairs(records, key="id", compare=PLAIN, level=1e-9, block=len(records))
    scores = found.set_index(["first", "second"])["score"].to_dict()
    sure = {pair: score for pair, score in expected.items() if score >= 2e-9}
    assert len(sure) > 500 and min(sure.values()) < 1e-6 and max(sure.values()) > 0.999
    assert {pair: scores.get(pair) for pair in sure} == pytest.approx(sure, rel=1e-6)
    assert all(expected[pair] >= 0.5e-9 for pair in scores)


def by_double_loop(records):
    """The score of every pair as the docstrings put it: one pair, one column at a time."""
    rows = records.to_dict("records")
    columns = {c: [row[c] for row in rows if pd.notna(row[c])] for c in PLAIN}
    names = {c: [set(name.split()) for name in set(columns[c])] for c in ("name", "kim")}
    spread = {c: {word: sum(word in name for name in names[c]) for name in names[c] for word in name} for c in names}
    scores = {}
    for one, other in itertools.combinations(rows, 2):
        own, where, backed = evidence.PRIOR, 0.0, False
        for column, kind in PLAIN.items():
            if pd.isna(one[column]) or pd.isna(other[column]):
                continue
            bits = plain_bits(kind, columns[column], spread.get(column), one[column], other[column])
            if evidence.KINDS[kind].where:
                where += bits
            else:
                own, backed = own + bits, backed or bits > 0
        total = own + min(where, evidence.WHERE if backed else evidence.ALONE)
        scores[one["id"], other["id"]] = 1 / (1 + 2**-total)
    return scores


def plain_bits(kind, column, spread, one, other):
    """Bits of two values in a list shorter than usual."""
    worth = evidence.KINDS[kind]
    holders = sum(value in (one, other) for value in column)
    if kind in {"organisation", "person"}:
        chance = [
            1000 * np.prod([(spread[w] - 1) / 1000 for w in name.split()]) if len(name.split()) > 1 else 0
            for name in (one, other)
        ]
        holders += evidence.CHANCE * max(chance)
    if one == other:
        verdict = "same"
    elif kind in {"organisation", "person"}:
        verdict, rarest = plain_names(kind, one.split(), other.split(), fuzz.ratio(one, other), spread)
        holders = rarest if verdict == "within" else holders
    else:
        verdict = plain_verdict(kind, one, other)
    bits = getattr(worth, verdict)
    if verdict in {"half", "differs"}:
        return bits
    if kind in {"place", "category"}:
        return max(0, min(bits, np.log2((len(column) + 1) / holders)))
    return max(0, bits - np.log2(holders))


def plain_names(kind, one, other, ratio, spread):
    only_one, only_other = [w for w in one if w not in other], [w for w in other if w not in one]
    both = [w for w in one if w in other]
    rarest = min((spread[w] for w in both), default=None)
    if re.search(r"\d", " ".join(only_one)) and re.search(r"\d", " ".join(only_other)):
        return "differs", rarest
    if ratio >= 88 and only_one and only_other and any(spread[w] == 1 for w in only_one + only_other):
        return "alike", rarest
    if both and (not only_one or not only_other or (kind == "organisation" and rarest <= evidence.RARE)):
        return "within", rarest
    return ("half" if both or ratio >= 60 else "differs"), rarest


def plain_verdict(kind, one, other):
    longer, edits = max(len(one), len(other)), distance.OSA.distance(one, other)
    if kind == "site":
        (a, street), (b, road) = (re.fullmatch(r"(\d*) ?(.*)", text).groups() for text in (one, other))
        if a and b:
            alike = fuzz.token_set_ratio(street, road) if a == b else 0
            return "alike" if alike >= 80 else "half" if alike >= 60 else "differs"
        alike = "alike" if fuzz.token_sort_ratio(one, other) >= 90 else "differs"
        return "half" if alike == "differs" and fuzz.token_set_ratio(street, road) >= 90 else alike
    if kind == "email":
        same = one.split("@")[1] == other.split("@")[1] and re.findall(r"\d", one) == re.findall(r"\d", other)
        return "alike" if same and edits <= 1 else "differs"
    if kind == "place" and re.search(r"\d", one + other) and sorted(one) != sorted(other):
        return "differs"
    if kind in {"code", "place"} and longer >= 4 and edits <= (2 if longer >= 8 else 1):
        return "alike"
    return "differs"
