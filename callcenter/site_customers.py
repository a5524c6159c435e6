"""The customers whom the site names, in the words of those who keep customers."""

import random

from callcenter.config.site import Site
from callcenter.db.customers import CustomerIndex, CustomerSeed, Known


def index(url: str, site: Site, rng: random.Random) -> CustomerIndex:
    """Who is calling, under this site."""
    return CustomerIndex(url, ranks(site), rng, last_agents(site), known(site))


def ranks(site: Site) -> dict[str, int]:
    """Every value tier's rank, 0 the highest."""
    return {tier: rank for rank, tier in enumerate(site.value_tiers)}


def known(site: Site) -> dict[str, Known]:
    """By customer, what the site says beside what the database keeps."""
    return {
        customer.customer_id: Known(
            segment=customer.segment,
            preferred_agent=customer.preferred_agent,
            case_owner=customer.case_owner,
            open_case=customer.open_case,
            open_order=customer.open_order,
            at_risk=customer.at_risk,
            usage=customer.usage,
        )
        for customer in site.customers.values()
    }


def last_agents(site: Site) -> dict[str, str]:
    """By customer, who served them last, as far as the site says."""
    return {known.customer_id: known.last_agent for known in site.customers.values() if known.last_agent is not None}


def seeds(site: Site) -> list[CustomerSeed]:
    """The site's customers, as the database takes them."""
    return [
        CustomerSeed(
            customer_id=customer.customer_id,
            name=customer.name,
            value_tier=customer.value_tier,
            language=customer.language,
            phones=(customer.phone,),
        )
        for customer in site.customers.values()
    ]
