"""Every page of the storefront in every state a buyer can meet, from fixtures: what a theme must be able to draw."""

from msgspec import Struct
from msgspec.structs import replace

from kashop.lib.clock import DAY, MINUTE
from kashop.lib.money import Money
from kashop.web.context import (
    Cashier,
    CategoryLink,
    Complaint,
    ErrorPage,
    Form,
    Frame,
    Language,
    LineView,
    Listing,
    LookupPage,
    OrderLink,
    OrderPage,
    OrderView,
    PayChoice,
    PaymentView,
    ProductCard,
    ProductPage,
    ProofPage,
    Question,
    SkuChoice,
    Stock,
    TierRow,
    WayOut,
)

NOW = 1_795_000_000_000
TOKEN = "9tq2pXw8Zr4Lk1sVb7Yc3Nf6Hd0Jm5Ga"
LINK = f"https://shop.example/o/K261118F3GH7Q2M8N4PRS?k={TOKEN}"


def cny(text: str) -> Money:
    return Money(round(float(text) * 100), "CNY")


def frame(locale: str, path: str) -> Frame:
    labels = {"zh_Hans": "中文", "en": "English"}
    return Frame(
        shop_name="小卡铺",
        announcement="**双十一活动**：满 10 件享批发价。卡密自动发货，售后请带订单号。",
        support="QQ 100200300",
        is_practice=True,
        languages=tuple(
            Language(locale=n, label=label, href=f"?lang={n}", is_current=n == locale) for n, label in labels.items()
        ),
        path=path,
    )


PLENTY, FEW, NONE = Stock(level="plenty", count=997), Stock(level="few"), Stock(level="none")


def card(slug: str, name: str, price: str, tone: int, **more: object) -> ProductCard:
    base = ProductCard(
        slug=slug, name=name, summary="", image="", tone=tone, initial=name[:1], price=cny(price), is_from=False,
        is_manual=False, has_tiers=False, stock=PLENTY,
    )  # fmt: skip
    return replace(base, **more)


STEAM = card("steam-50", "Steam 钱包充值码 50 元", "52.80", 1, has_tiers=True, summary="国区可用，官方渠道，秒到账", initial="St")
CARDS = (
    STEAM,
    card(
        "video-month",
        "影视会员月卡（独享账号）",
        "12.50",
        2,
        is_from=True,
        stock=FEW,
        summary="独享账号，30 天质保，登录后请勿修改密码",
    ),
    card("game-100", "点券卡 100 面值", "97.00", 0),
    card("gift-card", "礼品卡（卡号+PIN）", "100.00", 4, has_tiers=True),
    card("licence-pro", "专业版许可证", "268.00", 3, stock=NONE, summary="永久授权，支持三台设备，含一年更新与技术支持服务"),
    card("node-month", "配置文件月付", "19.90", 5, stock=Stock(level="few", count=3)),
    card("qq-topup", "账号代充 100 元（人工）", "98.00", 1, is_manual=True, stock=Stock(level="plenty")),
)

GAMES = CategoryLink(
    slug="games", name="游戏点卡", is_current=True,
    children=(CategoryLink(slug="steam", name="Steam"), CategoryLink(slug="mobile", name="手机游戏")),
)  # fmt: skip
SHELVES = (
    replace(GAMES, is_current=False), CategoryLink(slug="video", name="影视会员"), CategoryLink(slug="gift", name="礼品卡"),
    CategoryLink(slug="soft", name="软件"), CategoryLink(slug="topup", name="代充"), CategoryLink(slug="more", name="其他"),
)  # fmt: skip

PAYMENTS = (
    PayChoice(value="epay-main:alipay", label="支付宝", icon="alipay", is_chosen=True),
    PayChoice(
        value="epay-main:wxpay",
        label="微信支付",
        icon="wxpay",
        note="手续费 0.6% + ¥0.10 · 满 ¥10.00 可用",
        fee_bp=60,
        fee_fixed=10,
    ),
    PayChoice(value="practice:", label="练习收银台", icon="practice", is_practice=True),
)

TIERS = (
    TierRow(min_quantity=10, price=cny("51.90"), saved=cny("0.90")),
    TierRow(min_quantity=50, price=cny("51.50"), saved=cny("1.30")),
)
SKU = SkuChoice(
    sku_code="steam-50", name="", price=cny("52.80"), tiers=TIERS, min_quantity=1, max_quantity=100, stock=PLENTY, is_chosen=True
)
PRODUCT = ProductPage(
    product=STEAM,
    description="## 使用方法\n\n1. 打开 Steam\n2. 账户明细 → 兑换充值码\n\n"
    "| 面值 | 到账 |\n|---|---|\n| 50 元 | 50 元 |\n\n> 充值码一经售出，不支持退换。",
    skus=(SKU,),
    questions=(),
    payments=PAYMENTS,
    contact_type="any",
    is_password_required=False,
    category=GAMES,
    form=Form(),
    seen="steam-50=5280;10:5190;50:5150",
    idempotency_key="fixture",
)
SEVERAL = replace(
    PRODUCT,
    product=replace(CARDS[1], stock=PLENTY),
    skus=(
        replace(SKU, sku_code="v-1", name="1 个月", price=cny("12.50"), tiers=()),
        replace(SKU, sku_code="v-3", name="3 个月", price=cny("35.00"), tiers=TIERS[:1], is_chosen=False, stock=FEW),
        replace(SKU, sku_code="v-12", name="12 个月", price=cny("128.00"), tiers=(), is_chosen=False, stock=NONE),
    ),
    contact_type="email",
    is_password_required=True,
)
TOPUP = replace(
    PRODUCT,
    product=CARDS[6],
    description="",
    skus=(replace(SKU, tiers=(), stock=CARDS[6].stock, max_quantity=5),),
    contact_type="none",
    questions=(
        Question(
            name="account",
            label="充值账号",
            kind="text",
            help="请填写 QQ 号，务必核对",
            is_required=True,
            choices=(),
            max_length=20,
        ),
        Question(name="zone", label="大区", kind="select", help="", is_required=True, choices=("一区", "二区"), max_length=20),
        Question(name="mail", label="备用邮箱", kind="email", help="", is_required=False, choices=(), max_length=200),
        Question(name="agree", label="我已核对账号无误", kind="checkbox", help="", is_required=True, choices=(), max_length=1),
    ),
)
WRONG = replace(
    TOPUP,
    form=Form(
        values={"quantity": "9", "field_account": "<script>alert(1)</script>", "field_zone": "二区"},
        errors={"quantity": "请填写 1 到 5 之间的整数", "field_account": "只能填写数字", "payment": "请选择支付方式"},
        complaints=(
            Complaint(field="quantity", text="请填写 1 到 5 之间的整数"),
            Complaint(field="field_account", text="只能填写数字"),
            Complaint(field="payment", text="请选择支付方式"),
        ),
    ),
)

LINE = LineView(
    product_name="Steam 钱包充值码 50 元", sku_name="", product_slug="steam-50", quantity=2, delivered=0,
    unit=cny("52.80"), total=cny("105.60"), is_manual=False,
)  # fmt: skip
MANUAL_LINE = replace(
    LINE, product_name="账号代充 100 元（人工）", is_manual=True, answers=(("充值账号", "10001"), ("大区", "一区"))
)
ORDER = OrderView(
    order_no="K261118F3GH7Q2M8N4PRS", token=TOKEN, status="pending", exception="", total=cny("105.60"), paid=cny("0"),
    contact="buyer@example.com", created_at=NOW, expires_at=NOW + 15 * MINUTE, paid_at=None, delivered_at=None,
    ended_at=None, lines=(LINE,), link=LINK,
)  # fmt: skip
PAID = replace(ORDER, status="paid", paid=ORDER.total, paid_at=NOW + MINUTE)
DELIVERED = replace(PAID, status="delivered", delivered_at=NOW + MINUTE + 900, lines=(replace(LINE, delivered=2),))
CODES = ("7KQ2M-XW8ZR-4LK1S", "卡号：0062 1483 0097 1120\n密码：00718823\n有效期：2027-11-30")
SHOWN = replace(
    DELIVERED,
    lines=(replace(LINE, delivered=2, codes=CODES, instructions="打开 **Steam** → 账户明细 → 兑换充值码"),),
)
QR = PaymentView(
    kind="qr", label="支付宝", icon="alipay", method="alipay", qr="https://qr.example/bax00000000000000000000",
    url="alipays://pay?x=1", amount=cny("105.60"), fee=cny("0"), again="epay-main:alipay",
)  # fmt: skip
TRANSFER = replace(
    QR, kind="transfer", label="银行转账", icon="transfer", method="transfer", qr="", url="", amount=cny("105.63"), is_exact=True,
    fields=(
        ("收款户名", "某某网络科技（北京）有限公司"), ("收款账号", "6222 0212 0001 2345 678"),
        ("开户行", "中国工商银行北京中关村支行"), ("附言", "K261118F3GH7"),
    ),
)  # fmt: skip
COIN = replace(
    TRANSFER, label="USDT（TRC20）", icon="usdt", method="usdt", qr="TXxx1hZ9pJ6Vb2Q8uYd4nR7kWmE3sLfGc5", fee=cny("1.05"),
    amount=Money(1481, "USD"), coin="USDT", coin_amount="14.810037",
    fields=(("收款地址", "TXxx1hZ9pJ6Vb2Q8uYd4nR7kWmE3sLfGc5"), ("网络", "TRON (TRC20)")),
)  # fmt: skip
CASHIER = Cashier(order=ORDER, due=ORDER.total, payment=QR, choices=PAYMENTS[1:], seconds_left=872)


def order_link(no: str, title: str, status: str, days: int) -> OrderLink:
    return OrderLink(order_no=no, title=title, total=cny("105.60"), status=status, created_at=NOW - days * DAY, link=LINK)


FOUND = (
    order_link("K261118F3GH7Q2M8N4PRS", "Steam 钱包充值码 50 元 × 2", "delivered", 0),
    order_link("K261102AA3GH7Q2M8N4PZ", "账号代充 100 元（人工） × 1", "paid", 16),
    order_link("K261030BB3GH7Q2M8N4PX", "影视会员月卡（独享账号） × 1", "expired", 19),
)
EMPTY_LOOKUP = LookupPage(form=Form(), found=None, recent=())
WAYS = (WayOut(label="查看全部商品", href="/"), WayOut(label="订单查询", href="/lookup"))
REFUSED = ErrorPage(
    status=409,
    code="sold_out",
    title="手慢了，已售罄",
    text="剩余库存不足您购买的数量，没有生成订单。",
    request_id="5f0c2a9d11e4",
    ways_out=WAYS,
)


def order_page(order: OrderView, *, can_reveal: bool = False, is_revealed: bool = False) -> OrderPage:
    return OrderPage(order=order, can_reveal=can_reveal, is_revealed=is_revealed)


PROOF = ProofPage(
    product_name="Steam 钱包充值码 50 元",
    product_slug="steam-50",
    kept="AbC-_123",
    challenge='{"parameters":{},"signature":""}',
    script="/x/captcha_altcha/1/proof.js",
    seconds=8,
)

STATES: dict[str, tuple[str, Struct]] = {
    "home": ("listing.html", Listing(category=None, categories=SHELVES, products=CARDS)),
    "home-empty": ("listing.html", Listing(category=None, categories=(), products=())),
    "category": ("listing.html", Listing(category=GAMES, categories=(GAMES, *SHELVES[1:]), products=CARDS[:3])),
    "category-empty": ("listing.html", Listing(category=SHELVES[1], categories=SHELVES, products=())),
    "product": ("product.html", PRODUCT),
    "product-skus": ("product.html", SEVERAL),
    "product-questions": ("product.html", TOPUP),
    "product-wrong": ("product.html", WRONG),
    "product-sold-out": ("product.html", replace(PRODUCT, product=replace(STEAM, stock=NONE))),
    "product-no-payments": ("product.html", replace(PRODUCT, payments=())),
    "cashier-qr": ("cashier.html", CASHIER),
    "cashier-redirect": (
        "cashier.html",
        replace(CASHIER, payment=replace(QR, kind="redirect", url="https://pay.example/x?a=1&b=2")),
    ),
    "cashier-form": (
        "cashier.html",
        replace(
            CASHIER,
            payment=replace(QR, kind="form", url="https://pay.example/submit.php", fields=(("pid", "1001"), ("sign", '"<&'))),
        ),
    ),
    "cashier-phone": ("cashier.html", replace(CASHIER, is_phone=True)),
    "cashier-fee": ("cashier.html", replace(CASHIER, payment=replace(QR, amount=cny("107.71"), fee=cny("2.11")))),
    "cashier-transfer": ("cashier.html", replace(CASHIER, payment=TRANSFER)),
    "cashier-coin": ("cashier.html", replace(CASHIER, payment=COIN, is_phone=True)),
    "cashier-lapsed": ("cashier.html", replace(CASHIER, payment=replace(QR, kind="lapsed"))),
    "cashier-wechat": ("cashier.html", replace(CASHIER, app="wechat", is_phone=True)),
    "cashier-failed": ("cashier.html", replace(CASHIER, payment=replace(QR, kind="failed"), note="还没有收到款项，请稍候再试。")),
    "cashier-none": ("cashier.html", replace(CASHIER, payment=PaymentView(kind="none"))),
    "cashier-part": ("cashier.html", replace(CASHIER, order=replace(ORDER, paid=cny("50")), due=cny("55.60"))),
    "order-pending": ("order.html", order_page(ORDER)),
    "order-paid": ("order.html", order_page(PAID)),
    "order-paid-manual": ("order.html", order_page(replace(PAID, lines=(MANUAL_LINE,)))),
    "order-delivering": ("order.html", order_page(replace(PAID, status="delivering"), can_reveal=True)),
    "order-delivered": ("order.html", order_page(DELIVERED, can_reveal=True)),
    "order-shown": ("order.html", order_page(SHOWN, can_reveal=True, is_revealed=True)),
    "order-expired": ("order.html", order_page(replace(ORDER, status="expired", ended_at=NOW + DAY))),
    "order-cancelled": ("order.html", order_page(replace(ORDER, status="cancelled", ended_at=NOW + DAY))),
    "order-refunded": ("order.html", order_page(replace(DELIVERED, status="refunded", ended_at=NOW + DAY))),
    **{
        f"order-{kind}": ("order.html", order_page(replace(PAID, status=status, exception=kind, paid=cny("50"))))
        for kind, status in (
            ("paid_late", "expired"),
            ("paid_partly", "pending"),
            ("short_of_stock", "paid"),
            ("paid_twice", "delivered"),
            ("delivery_failed", "delivering"),
            ("gateway_unclear", "paid"),
            ("sealed", "paid"),
        )
    },
    "lookup": ("lookup.html", EMPTY_LOOKUP),
    "lookup-recent": ("lookup.html", replace(EMPTY_LOOKUP, recent=FOUND)),
    "lookup-found": ("lookup.html", replace(EMPTY_LOOKUP, found=FOUND)),
    "lookup-none": ("lookup.html", replace(EMPTY_LOOKUP, found=(), form=Form(values={"query": "buyer@example.com"}))),
    "lookup-wrong": (
        "lookup.html",
        replace(EMPTY_LOOKUP, form=Form(errors={"query": "必填"}, complaints=(Complaint(field="query", text="必填"),))),
    ),
    "error-sold-out": ("error.html", REFUSED),
    "error-price": (
        "error.html",
        replace(
            REFUSED,
            code="price_changed",
            title="价格有变动",
            text="下单期间价格已更新，没有生成订单。",
            was=cny("52.80"),
            now=cny("53.50"),
        ),
    ),
    "proof-works": ("proof.html", PROOF),
    "proof-turn": ("proof.html", replace(PROOF, challenge="", script="", ticket="t", turn_at=NOW + 40_000, turn_seconds=40)),
    "proof-full": ("proof.html", replace(PROOF, challenge="", script="", is_full=True)),
    "error-404": ("error.html", replace(REFUSED, status=404, code="not_found", title="没有找到", text="这个页面不存在。")),
    "error-429": ("error.html", replace(REFUSED, status=429, code="too_many", title="操作太快了", text="请稍等片刻再试。")),
    "error-422": (
        "error.html",
        replace(
            REFUSED,
            status=422,
            code="invalid",
            title="请检查填写内容",
            text="",
            complaints=(Complaint(field="x", text="不能为空"),),
        ),
    ),
}
