"""Turns the articles of one outlet into its pages, feeds and sitemaps: bytes with a type and a date. No network here."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from urllib.parse import urljoin

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from crawler.sample_web import dates
from crawler.sample_web.content import Outlet, PlainPage, SampleArticle, SampleComment
from crawler.sample_web.shown import Shown, slugify

NOTE = "Sample page written for Debatewatch; the outlet and its speakers are fictional"
_LISTINGS = {
    "rss": ("listings/rss.xml", "application/rss+xml"),
    "atom": ("listings/atom.xml", "application/atom+xml"),
    "news": ("listings/news.xml", "application/xml"),
    "sitemap": ("listings/sitemap.xml", "application/xml"),
    "index": ("listings/index.xml", "application/xml"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: `body` in the charset that `content_type` or the page itself names; `etag` with its quotation marks."""

    body: bytes
    content_type: str
    last_modified: datetime
    status: int = 200

    @property
    def etag(self) -> str:
        """A weak entity tag (the body may travel compressed), RFC 9110, 8.8.3."""
        return f'W/"{hashlib.sha256(self.body).hexdigest()[:20]}"'


class Site:
    """All pages of one outlet. Pages are made when first asked for, then kept."""

    def __init__(
        self,
        outlet: Outlet,
        articles: Sequence[SampleArticle],
        base_url: str,
        *,
        agencies: Mapping[str, str],
        changed: datetime | None = None,
    ) -> None:
        """`agencies` names the outlet of each reprint's original; `changed` is when updates were published, None before."""
        self.outlet = outlet
        self.base_url = base_url
        self.shown = [self._show(article, agencies, changed) for article in articles]
        self._newest = max((shown.changed for shown in self.shown), default=datetime(2023, 1, 1, tzinfo=UTC))
        self._makers: dict[str, Callable[[], Page]] = dict(self._routes())
        self._made: dict[str, Page] = {}

    def page(self, path: str) -> Page:
        """The page at a path (without its query: tracking parameters change nothing); a 404 page when there is none."""
        if path not in self._made:
            make = self._makers.get(path)
            if make is None:
                return self._not_found()
            self._made[path] = make()
        return self._made[path]

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that answers."""
        return tuple(self._makers)

    # --- what there is ---

    def _show(self, article: SampleArticle, agencies: Mapping[str, str], changed: datetime | None) -> Shown:
        outlet = self.outlet
        published = article.published.astimezone(outlet.zone)
        fields = {
            "year": f"{published:%Y}",
            "month": f"{published:%m}",
            "day": f"{published:%d}",
            "section": slugify(article.section),
            "slug": article.slug,
            "number": str(100_000 + zlib.crc32(article.name.encode()) % 900_000),
        }
        path = outlet.article.format(**fields)
        updated = article.updated.astimezone(outlet.zone) if article.updated and changed else None
        return Shown(
            article=article,
            url=self.base_url + path,
            path=path,
            image=self.base_url + outlet.image.format(**fields),
            print_url=self.base_url + outlet.print.format(path=path) if outlet.print else None,
            amp_url=self.base_url + outlet.amp.format(path=path) if outlet.amp else None,
            number=int(fields["number"]),
            published=published,
            updated=updated,
            changed=changed.astimezone(outlet.zone) if updated and changed else published,
            blocks=article.updated_blocks if updated else article.blocks,
            agency=agencies.get(article.wire.partition("/")[0]) if article.wire else None,
        )

    def _routes(self) -> Iterable[tuple[str, Callable[[], Page]]]:
        outlet = self.outlet
        yield "/robots.txt", self._robots
        yield outlet.style, partial(self._template, "style.css", "text/css; charset=utf-8")
        yield "/favicon.ico", partial(self._picture, outlet.id)
        for page in outlet.pages:
            yield page.path, partial(self._plain, page)
        yield from self._fronts("/", self.shown, outlet.name)
        for section in self.sections:
            inside = [shown for shown in self.shown if shown.section == section]
            yield from self._fronts(self.section_path(section), inside, section)
        for shown in self.shown:
            yield shown.path, partial(self._article, "article.html", shown)
            yield self._path(shown.image), partial(self._picture, shown.article.name)
            if shown.print_url:
                yield self._path(shown.print_url), partial(self._article, "print.html", shown)
            if shown.amp_url:
                yield self._path(shown.amp_url), partial(self._article, "amp.html", shown)
        if outlet.listing == "pages":
            yield from self._fronts(outlet.listing_path, self.shown, "Latest news")
        else:
            yield outlet.listing_path, self._listing
        if outlet.listing == "index":
            for year in self.years:
                yield f"/sitemaps/articles-{year}.xml.gz", partial(self._zipped_sitemap, year)

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the sections that have articles, commonest first."""
        names = [shown.section for shown in self.shown]
        return tuple(sorted(set(names), key=lambda name: (-names.count(name), name)))

    @property
    def years(self) -> tuple[int, ...]:
        """The years in which something was published, newest first."""
        return tuple(sorted({shown.published.year for shown in self.shown}, reverse=True))

    def section_path(self, section: str) -> str:
        """The path of a section's page."""
        return self.outlet.section.format(section=slugify(section))

    def _path(self, url: str) -> str:
        return url.removeprefix(self.base_url)

    # --- making pages ---

    def _render(self, template: str, **values: object) -> str:
        # An outlet's own template, or one that all share (feeds, the print page).
        choices = [f"{self.outlet.id}/{template}", template]
        made = _environment().select_template(choices)
        return made.render(site=self, outlet=self.outlet, note=NOTE, base=self.base_url, home=self.shown, **values)

    def _html(self, template: str, last_modified: datetime, values: Mapping[str, object]) -> Page:
        text = self._render(template, **values)
        declared = f"; charset={self.outlet.charset}" if self.outlet.charset_in_header else ""
        # What the charset lacks (curly quotes in ISO-8859-1) travels as a character reference, as old systems do it.
        body = text.encode(self.outlet.charset, "xmlcharrefreplace")
        return Page(body, f"text/html{declared}", last_modified)

    def _template(self, template: str, content_type: str, **values: object) -> Page:
        return Page(self._render(template, **values).encode(), content_type, self._newest)

    def _fronts(self, path: str, shown: list[Shown], title: str) -> Iterable[tuple[str, Callable[[], Page]]]:
        size = self.outlet.per_page or max(1, len(shown))
        count = max(1, -(-len(shown) // size))
        addresses = [path] + [f"{path.rstrip('/')}/page/{number}" for number in range(2, count + 1)]
        for index, address in enumerate(addresses):
            older = self.base_url + addresses[index + 1] if index + 1 < count else None
            newer = self.base_url + addresses[index - 1] if index else None
            values: dict[str, object] = {
                "articles": shown[index * size : (index + 1) * size],
                "title": title,
                "url": self.base_url + address,
                "number": index + 1,
                "count": count,
                "older": older,
                "newer": newer,
            }
            yield address, partial(self._front, values)

    def _front(self, values: Mapping[str, object]) -> Page:
        return self._html("front.html", self._newest, values)

    def _article(self, template: str, shown: Shown) -> Page:
        index = self.shown.index(shown)
        same = [other for other in self.shown if other.article.topic == shown.article.topic and other is not shown]
        others = self.shown[index + 1 :] + self.shown[:index]
        related = (same + [other for other in others if other not in same])[:4]
        popular = sorted(self.shown, key=lambda other: -other.votes)[:5]
        values = {
            "a": shown,
            "url": shown.url,
            "related": related,
            "popular": popular,
            "replies": _replies(shown.article.comments),
        }
        return self._html(template, shown.changed, values)

    def _plain(self, page: PlainPage) -> Page:
        values = {"title": page.title, "text": page.text, "url": self.base_url + page.path}
        return self._html("page.html", self._newest, values)

    def _not_found(self) -> Page:
        text = "There is no page at this address. The front page lists every article of this outlet."
        page = self._html("page.html", self._newest, {"title": "Page not found", "text": text, "url": None})
        return replace(page, status=404)

    def _picture(self, name: str) -> Page:
        seed = hashlib.sha256(name.encode()).digest()
        return self._template("picture.svg", "image/svg+xml", seed=seed, name=name)

    # --- what machines read ---

    def _listing(self) -> Page:
        template, content_type = _LISTINGS[self.outlet.listing]
        listed = [page for page in self.outlet.pages if page.listed]
        text = self._render(template, articles=self.shown, listed=listed, newest=self._newest)
        charset = self.outlet.charset
        return Page(text.encode(charset, "xmlcharrefreplace"), f"{content_type}; charset={charset}", self._newest)

    def _zipped_sitemap(self, year: int) -> Page:
        inside = [shown for shown in self.shown if shown.published.year == year]
        text = self._render("listings/sitemap.xml", articles=inside, listed=[])
        newest = max(shown.changed for shown in inside)
        return Page(gzip.compress(text.encode(), mtime=0), "application/gzip", newest)

    def _robots(self) -> Page:
        outlet = self.outlet
        lines = [f"# {NOTE}.", "User-agent: *", *(f"Disallow: {path}" for path in outlet.disallow)]
        if outlet.crawl_delay is not None:
            lines.append(f"Crawl-delay: {outlet.crawl_delay}")
        if outlet.listing in ("news", "sitemap", "index"):
            lines += ["", f"Sitemap: {urljoin(self.base_url, outlet.listing_path)}"]
        return Page(("\n".join(lines) + "\n").encode(), "text/plain; charset=utf-8", self._newest)


def _replies(comments: Sequence[SampleComment]) -> dict[int, list[SampleComment]]:
    """The answers to each comment by its number; 0 is the opening post."""
    replies: dict[int, list[SampleComment]] = {number: [] for number in range(len(comments) + 1)}
    for comment in comments:
        # A comment that answers none before it stands under the post, as on a forum that lost the one it answered.
        replies[comment.reply_to if 0 <= comment.reply_to < comment.number else 0].append(comment)
    return replies


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html", "xml", "svg"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(dates.FILTERS, slugify=slugify)
    return environment
