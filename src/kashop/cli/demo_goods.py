"""The demo shop's goods: invented names, codes made at random. Nothing here exists."""

import secrets
from collections.abc import Callable

import msgspec

from kashop.catalog.types import BuyerField, ProductDraft, SkuDraft
from kashop.lib.ids import random_text

SHOP_NAME = "kashop 演示小店"
ANNOUNCEMENT = (
    "这是一家**练习用**的小店：商品、卡密和收银台都是虚构的，可以随便下单试用。\n\nA practice shop: nothing here is real."
)

CATEGORIES = (("games", "游戏点卡"), ("video", "影视会员"), ("software", "软件授权"), ("service", "人工代充"))


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    """A product, its category's slug, and for each SKU how many codes of which kind."""

    category: str
    product: ProductDraft
    skus: tuple[SkuDraft, ...]
    stock: tuple[int, ...]
    make: Callable[[], str]


def key() -> str:
    """`8F3K2-9QX7M-…`"""
    return "-".join(random_text(5) for _ in range(4))


def card() -> str:
    """A card's number, which may begin with zeros, and its password."""
    return f"{secrets.randbelow(10**12):012}----{secrets.randbelow(10**8):08}"


def account() -> str:
    """An account and its password."""
    return f"demo_{random_text(6).lower()}@example.com----{secrets.token_urlsafe(8)}"


GOODS = (
    Goods(
        category="games",
        product=ProductDraft(
            slug="star-coins",
            name="星屿币 100 枚",
            summary="自动发货，多买更便宜",
            description="《星屿漫游》通用游戏币兑换码，**不限区服**。\n\n- 付款后立即发货\n- 每个兑换码只能使用一次",
            instructions="打开游戏 → 商城 → **兑换码**，逐个输入即可到账。",
        ),
        skus=(SkuDraft(price_minor=990, cost_minor=850, tiers=((10, 960), (50, 930)), low_stock_line=20),),
        stock=(120,),
        make=key,
    ),
    Goods(
        category="games",
        product=ProductDraft(
            slug="card-book",
            name="书海点卡（卡号 + 密码）",
            summary="老玩家首选，支持查单密码",
            instructions="官网 → 充值中心 → 输入卡号和密码。`----` 前面是卡号，后面是密码。",
            lookup_password="required",  # noqa: S106  # a rule, not a password
            stock_display="level",
        ),
        skus=(SkuDraft(price_minor=4980, cost_minor=4600, min_quantity=1, max_quantity=20, tiers=((5, 4900),)),),
        stock=(60,),
        make=card,
    ),
    Goods(
        category="video",
        product=ProductDraft(
            slug="cinema-pass",
            name="光影会员（独享账号）",
            summary="月卡、季卡、年卡任选",
            description="独享账号，支持 4K 与多设备。请在下单前选好时长。",
            instructions="登录后请勿修改密码；`----` 前面是账号，后面是密码。",
            contact_type="email",
            hold_minutes=10,
        ),
        skus=(
            SkuDraft(sku_code="cinema-month", name="月卡", price_minor=1250, cost_minor=820, tiers=((5, 1190),)),
            SkuDraft(sku_code="cinema-quarter", name="季卡", price_minor=3280, cost_minor=2300, position=1),
            SkuDraft(sku_code="cinema-year", name="年卡", price_minor=10800, cost_minor=8000, position=2, max_quantity=3),
        ),
        stock=(40, 25, 3),
        make=account,
    ),
    Goods(
        category="software",
        product=ProductDraft(
            slug="notes-pro",
            name="墨记专业版激活码",
            summary="终身授权，三台设备",
            instructions="帮助 → 激活 → 粘贴激活码。",
        ),
        skus=(SkuDraft(price_minor=26800, cost_minor=15000, max_quantity=5, tiers=((3, 24900),)),),
        stock=(30,),
        make=key,
    ),
    Goods(
        category="software",
        product=ProductDraft(slug="cloud-box", name="云匣 200 GB 兑换码", summary="补货中，敬请期待"),
        skus=(SkuDraft(price_minor=1990, cost_minor=1200),),
        stock=(0,),
        make=key,
    ),
    Goods(
        category="service",
        product=ProductDraft(
            slug="hero-topup",
            name="天行手游代充 648",
            summary="人工处理，1–30 分钟到账",
            description="付款后由客服人工充值。请认真填写账号与区服，填错不退。",
            delivery="manual",
            fields=(
                BuyerField("account", "游戏账号", help="登录用的手机号或邮箱"),
                BuyerField("server", "区服", kind="select", choices=("安卓一区", "安卓二区", "苹果一区")),
                BuyerField("remark", "备注", is_required=False, max_length=100),
            ),
        ),
        skus=(SkuDraft(price_minor=59800, cost_minor=58000, max_quantity=5),),
        stock=(0,),
        make=key,
    ),
    Goods(
        category="video",
        product=ProductDraft(slug="try-ticket", name="光影一日体验券", summary="免费领取，每单一张", contact_type="none"),
        skus=(SkuDraft(price_minor=0, is_free=True, max_quantity=1),),
        stock=(50,),
        make=key,
    ),
)
