"""Which columns of a table make up the code, by the names that merchants give them.

Always true: a column is part of the code only when its name is known or the merchant chose it, and when
two readings are possible the merchant is asked: half a card delivered is worse than a question.
"""

import re
import unicodedata
from collections.abc import Collection, Sequence

from kashop.inventory.stockfile.cells import OUTER
from kashop.inventory.stockfile.types import Choice, Column, Rules
from kashop.lib.errors import FieldError, Invalid

_ROLES = {
    # A code that is enough alone.
    "code": """
        卡密 卡密内容 卡密信息 兑换码 激活码 充值码 密钥 许可证 授权码 礼品码 礼包码 注册码 序列号 券码
        卡券码 点卡 发货内容 内容 key密钥 code codes key keys cdkey cdkeys cdk license licence licensekey
        licencekey licensecode serial serialno serialnumber serialkey activationcode activationkey
        redeemcode redemptioncode redemptionkey giftcode giftcardcode vouchercode voucher couponcode
        productkey cardcode secretkey content
    """,
    # The first half of a pair.
    "account": """
        卡号 账号 帐号 账户 用户名 登录名 邮箱 邮箱账号 游戏账号 account accountname username user login
        loginname email emailaddress mail card cardno cardnumber cardnum number
    """,
    # The second half of a pair.
    "password": """
        密码 卡密码 登录密码 账号密码 帐号密码 口令 password passwd pass pwd pin pincode cardpassword
        cardpin passphrase secret token
    """,
    # What the buyer of an account needs besides.
    "more": """
        邮箱密码 辅助邮箱 辅助邮箱密码 备用邮箱 恢复邮箱 密保 密保答案 密保问题 二步验证 两步验证 2fa
        2fa密钥 2fasecret totp totpsecret emailpassword mailpassword recovery recoveryemail recoverycode
        backupcode backupcodes cvv cvc cookie cookies
    """,
    "cost": """
        成本 成本价 进价 进货价 采购价 cost costprice unitcost purchaseprice buyprice
    """,
    "expires": """
        有效期 有效期至 到期 到期日 到期时间 到期日期 过期时间 过期日期 失效时间 失效日期 截止日期 截止时间
        expires expiry expire expiration expirydate expirationdate expiredate expiresat expireat expiresdate
        expireson validuntil validto
    """,
    "note": """
        备注 说明 备注信息 注释 note notes remark remarks memo comment comments description
    """,
    "other": """
        面值 面额 金额 价格 售价 数量 序号 编号 商品 商品名 商品名称 名称 规格 类型 分类 状态 地区 区域 批次
        日期 时间 供应商 face facevalue value denomination amount price quantity qty seats no index id sku
        product productname name type category status region country batch date supplier currency 货币 币种
    """,
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names.split()}
_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_FILLER = re.compile(r"[\s_\-./·:：*#\"']+")


def role_of(name: str) -> str | None:
    """What a header name means: code, account, password, more, cost, expires, note, other.

    None when unknown.
    """
    return _ROLE_OF.get(_plain(name))


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row names columns: at least one name is known, and no cell is a bare number."""
    return any(role_of(cell) for cell in cells) and not any(cell.strip(OUTER).isdigit() for cell in cells)


def names_code(cells: Sequence[str]) -> bool:
    """Whether a row is a header with a column that can be a code."""
    return is_header(cells) and any(role_of(cell) in ("code", "account", "password") for cell in cells)


def matches(cells: Sequence[str], wanted: Sequence[Column]) -> bool:
    """Whether the merchant's column names stand in this row."""
    here = {_plain(cell) for cell in cells}
    return any(isinstance(name, str) and _plain(name) in here for name in wanted)


def choose(names: Sequence[str], width: int, rules: Rules, *, blank: Collection[int]) -> Choice:
    """The columns by rule or by name.

    `question` is set when they cannot be known; a rule that names no column is Invalid.
    """
    cost = _asked_or_named("cost_column", rules.cost_column, names, width, "cost")
    expires = _asked_or_named("expiry_column", rules.expiry_column, names, width, "expires")
    note = _asked_or_named("note_column", rules.note_column, names, width, "note")
    if rules.columns:
        chosen = tuple(_index("columns", column, names, width) for column in rules.columns)
        return Choice(chosen, cost, expires, note)
    if width == 1:
        return Choice((0,))
    guessed = _guess(["other" if i in blank else role_of(name) for i, name in enumerate(names)])
    return Choice(guessed, cost, expires, note, None if guessed else _question(names, width))


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).strip(OUTER).casefold()
    return _FILLER.sub("", _BRACKETS.sub("", text))


def _guess(roles: list[str | None]) -> tuple[int, ...]:
    code, account, password = (
        [i for i, role in enumerate(roles) if role == wanted] for wanted in ("code", "account", "password")
    )
    if max(len(code), len(account), len(password)) > 1 or not (code or account or password):
        return ()
    # An account beside a column of unknown name (server, port, …): the buyer may well need that one too.
    if not code and None in roles:
        return ()
    more = [i for i, role in enumerate(roles) if role == "more"]
    pair = account + password + code if account else code + password
    return tuple(pair + more)


def _question(names: Sequence[str], width: int) -> FieldError:
    if names:
        return FieldError(
            "columns",
            "It is not clear which columns make up the code. Choose from: {columns}.",
            (("columns", _list(names)),),
        )
    return FieldError(
        "columns",
        "The rows have {count} columns and no header we know. Choose those of the code, from 1 to {count}.",
        (("count", str(width)),),
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(name[:40] or str(i) for i, name in enumerate(names, 1))


def _asked_or_named(field: str, asked: Column | None, names: Sequence[str], width: int, role: str) -> int | None:
    if asked is not None:
        return _index(field, asked, names, width)
    return next((i for i, name in enumerate(names) if role_of(name) == role), None)


def _index(field: str, column: Column, names: Sequence[str], width: int) -> int:
    if isinstance(column, str):
        for same in (lambda a, b: a.strip(OUTER) == b.strip(OUTER), lambda a, b: _plain(a) == _plain(b)):
            found = [i for i, name in enumerate(names) if same(name, column)]
            if len(found) == 1:
                return found[0]
            if found:
                raise Invalid.of(field, "More than one column is called “{column}”. Give its number.", column=column)
    text = str(column).strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
    if 1 <= number <= width:
        return number - 1
    known = _list(names) if names else f"1-{width}"
    raise Invalid.of(field, "There is no column “{column}”. The columns are: {known}.", column=column, known=known)
