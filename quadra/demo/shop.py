"""The shop of the demo: its goods, its visitors' browsers, and the odds. Facts only; `demo` makes visits of them."""

from __future__ import annotations

from random import Random
from typing import Any

SITE = "https://shop.example"
WEEKDAYS = (1.0, 1.02, 1.0, 1.05, 1.1, 0.8, 0.75)
"""Monday to Sunday."""

PAGES = (("/", 40.0), ("/sale", 12.0), ("/garden", 10.0), ("/kitchen", 14.0), ("/about", 3.0), ("/help/returns", 4.0))
PRODUCTS = (
    ("Watering Can", 24.9),
    ("Seed Box", 12.5),
    ("Garden Gloves", 9.9),
    ("Herb Pot", 14.0),
    ("Cast Iron Pan", 59.0),
    ("Bread Knife", 34.5),
    ("Tea Kettle", 45.0),
    ("Linen Apron", 29.0),
    ("Pepper Mill", 39.9),
)
SEARCHES = (("pan", 6), ("knife", 4), ("seeds", 9), ("apron", 2), ("gift", 14), ("tea", 5), ("wok", 0), ("hammock", 0))
FEATURES = ("wishlist", "compare", "size_guide", "reviews", "gift_wrap")
PLANS = ("guest", "member", "member", "gold")
FIRST_NAMES = ("ada", "ben", "carla", "dilan", "eva", "finn", "greta", "hugo", "ines", "jonas", "kira", "luca", "mia")

SOURCES = (
    *(("direct", 26.0), ("google", 24.0), ("duckduckgo", 4.0), ("letter", 13.0), ("ads", 9.0), ("instagram", 7.0)),
    *(("instagram_ads", 5.0), ("assistant", 5.0), ("youtube", 3.0), ("partner", 4.0)),
)
LANDINGS = {
    "direct": ("", ""),
    "google": ("https://www.google.com/", ""),
    "duckduckgo": ("https://duckduckgo.com/", ""),
    "letter": ("", "?utm_source=garden-letter&utm_medium=email&utm_campaign=seeds-and-soil"),
    "ads": ("https://www.google.com/", "?utm_source=google&utm_medium=cpc&utm_campaign=cast-iron&gclid=made-up"),
    "instagram": ("https://l.instagram.com/", ""),
    "instagram_ads": ("https://l.instagram.com/", "?utm_source=instagram&utm_medium=paid_social&utm_campaign=balcony"),
    "assistant": ("https://chatgpt.com/", "?utm_source=chatgpt.com"),
    "youtube": ("https://www.youtube.com/", ""),
    "partner": ("https://partner.example/friends", "?utm_source=partner&utm_medium=affiliate&utm_campaign=friends"),
}
"""Source -> the referrer, and what its links add to an address."""
EAGER = {"letter": 1.7, "assistant": 1.3, "instagram_ads": 0.5, "instagram": 0.6, "youtube": 0.7}
"""How much likelier than others somebody from there puts something into the basket."""
COUNTRIES = (
    ("DE", 48.0),
    ("AT", 14.0),
    ("CH", 8.0),
    ("GB", 7.0),
    ("US", 7.0),
    ("FR", 6.0),
    ("NL", 5.0),
    ("PL", 3.0),
    ("", 2.0),
)
LANGUAGES = {"DE": "de-DE", "AT": "de-AT", "CH": "de-CH", "GB": "en-GB", "FR": "fr-FR", "NL": "nl-NL", "PL": "pl-PL"}
LANGUAGE = "en-US"
"""Of everywhere else."""
SCREENS = (("1920x1080", 30.0), ("1440x900", 14.0), ("390x844", 32.0), ("412x915", 20.0), ("820x1180", 4.0))
WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
AGENTS = (
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        30.0,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0", 9.0),
    (
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.5 Safari/605.1.15",
        12.0,
    ),
    (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {WEBKIT} Version/17.5 Mobile/15E148 Safari/604.1",
        24.0,
    ),
    (
        f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {BLINK} Chrome/126.0.0.0 Mobile Safari/537.36",
        20.0,
    ),
    (
        "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1",
        5.0,
    ),
)
BOTS = (
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 3.0),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 2.0),
)

STAGES = (("basket", 0.72), ("address", 0.82), ("payment", 0.9), ("confirmed", 1.0))
"""Stage of the checkout, and how many of those who reach it go on."""
MODELS = (("helper-small", "in-house", 0.0000006), ("helper-large", "in-house", 0.000004))
DECLINED = {
    "error_type": "PaymentDeclined",
    "message": "The bank declined the card",
    "severity": "warning",
    "endpoint": "/api/checkout/payment",
}
NO_PRICE = "Cannot read properties of undefined (reading 'price')"
NO_STOCK = "The stock service did not answer within 2 s"
ERRORS = (
    ("TypeError", NO_PRICE, f"TypeError: {NO_PRICE}\n    at total (basket.js:41:22)\n    at render (basket.js:88:9)"),
    ("TimeoutError", NO_STOCK, f"TimeoutError: {NO_STOCK}\n    at ask (stock.js:17:11)\n    at show (product.js:60:5)"),
)
QUESTIONS = {
    "nps": "How likely are you to recommend us to a friend?",
    "csat": "How satisfied are you with your order?",
    "ces": "How easy was it to order?",
}
SCORES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "nps": (tuple(range(11)), (1, 1, 1, 1, 1, 2, 4, 10, 16, 22, 20)),
    "csat": ((1, 2, 3, 4, 5), (2, 3, 9, 30, 26)),
    "ces": ((1, 2, 3, 4, 5, 6, 7), (1, 2, 4, 8, 16, 24, 18)),
}


def answer(odds: Random) -> tuple[str, int, str]:
    """(survey, score, question)"""
    survey = odds.choice(tuple(QUESTIONS))
    scores, weights = SCORES[survey]
    return survey, odds.choices(scores, weights)[0], QUESTIONS[survey]


def latency_of(path: str) -> Any:
    """The logarithm of the usual milliseconds behind a path."""
    return 5.2 if "search" in path else 4.8 if "checkout" in path else 3.6
