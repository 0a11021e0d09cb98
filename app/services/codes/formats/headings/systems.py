"""Lists the headings of the systems that codes are exported from, with sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.services.codes.formats.headings.meanings import Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system's export; headings are separated by `|`."""

    name: str
    #: Where its headings can be seen.
    source: str
    headings: Mapping[Meaning, str]


SYSTEMS = (
    System(
        name="Shopify discounts",
        source="help.shopify.com/manual/discounts, the admin's export of discount codes",
        headings={
            Meaning.CODE: "Name|Code|Discount code",
            Meaning.KIND: "Value Type|Type",
            Meaning.USED: "Times Used In Total|Times Used",
            Meaning.LIMIT: "Usage Limit Per Code",
            Meaning.STATUS: "Status",
            Meaning.STARTS: "Start",
            Meaning.ENDS: "End",
            Meaning.AMOUNT: "Value",
            Meaning.OTHER: "Discount Class|Minimum Purchase Requirements|"
            "Combines with Order Discounts|Combines with Product Discounts|"
            "Combines with Shipping Discounts|Customer Selection|Context|"
            "Applies Once Per Customer",
        },
    ),
    System(
        name="Shopify gift cards",
        source="help.shopify.com/manual/products/gift-card-products, GiftCard of the GraphQL API",
        headings={
            Meaning.CODE: "Code|Gift card code",
            Meaning.TAIL: "Last Characters|Last 4|Last four|Code (last 4)|Masked code",
            Meaning.AMOUNT: "Initial Value|Initial Balance",
            Meaning.BALANCE: "Balance|Current Balance|Remaining Balance",
            Meaning.CURRENCY: "Currency",
            Meaning.STATUS: "Status",
            Meaning.ENABLED: "Enabled?|Enabled",
            Meaning.EXPIRED: "Expired?|Expired",
            Meaning.DISABLED_AT: "Disabled At|Deactivated At",
            Meaning.ENDS: "Expires On|Expires At",
            Meaning.OTHER: "Id|Customer Name|Email|Order Name|Created At|Note|Updated At",
        },
    ),
    System(
        name="WooCommerce and its coupon plugins",
        source="github.com/woocommerce/woocommerce (REST coupons), Smart Coupons and WebToffee CSV",
        headings={
            Meaning.CODE: "code|post_title|coupon_code|Coupon Code",
            Meaning.AMOUNT: "amount|coupon_amount|Coupon Amount",
            Meaning.KIND: "discount_type|Discount Type",
            Meaning.STATUS: "status|post_status",
            Meaning.ENDS: "date_expires|expiry_date|Expiry Date|expiration",
            Meaning.USED: "usage_count|Usage Count",
            Meaning.LIMIT: "usage_limit|Usage Limit",
            Meaning.USED_AT: "used_by|_used_by",
            Meaning.OTHER: "id|ID|post_name|post_excerpt|post_parent|menu_order|post_date|"
            "description|date_created|date_modified|free_shipping|minimum_amount|maximum_amount|"
            "individual_use|exclude_sale_items|product_ids|exclude_product_ids|"
            "product_categories|exclude_product_categories|customer_email|usage_limit_per_user|"
            "limit_usage_to_x_items|email_restrictions",
        },
    ),
    System(
        name="WooCommerce gift cards (WooCommerce, PW, YITH)",
        source="woocommerce.com/document/gift-cards/store-owners-guide; the plugins' own exports",
        headings={
            Meaning.CODE: "Gift Card Number|Gift card code|number|code|gift_card_number",
            Meaning.AMOUNT: "issued|Issued|amount|gift_card_amount|_ywgc_amount_total",
            Meaning.BALANCE: "balance|remaining|Current balance|_ywgc_balance_total",
            Meaning.ENDS: "Expiration Date|expire_date|expires|Expiration|_ywgc_expiration",
            Meaning.ENABLED: "is_active|Active|active",
            Meaning.OTHER: "Recipient Email|recipient|sender|Sender|sender_email|order_id|"
            "Recipient|create_date|deliver_date|redeem_date",
        },
    ),
    System(
        name="Magento 1 and OpenMage",
        source="github.com/OpenMage/magento-lts, Promo/Quote/Edit/Tab/Coupons/Grid.php",
        headings={
            Meaning.CODE: "Coupon Code|Code",
            Meaning.USED: "Used|Times Used",
            Meaning.OTHER: "Created On|Date Created|Website",
        },
    ),
    System(
        name="Magento 2",
        source="github.com/magento/magento2, SalesRule couponCodesGrid; gift card accounts' grid",
        headings={
            Meaning.CODE: "Coupon Code|Code|Gift Card Code",
            # A flag in the grid of coupons, a limit in files that people make of it.
            Meaning.USED: "Uses|Used|Times Used",
            Meaning.LIMIT: "Uses|Uses per Coupon",
            Meaning.BALANCE: "Balance",
            Meaning.STATUS: "Status",
            Meaning.ENABLED: "Active",
            Meaning.ENDS: "Expiration Date|End",
            Meaning.OTHER: "Created|Website|Date Created|Redeemable",
        },
    ),
    System(
        name="PrestaShop",
        source="github.com/PrestaShop/PrestaShop, AdminCartRulesController and its translations",
        headings={
            Meaning.CODE: "Code|Código|Codice|Kod",
            # The shop counts it down: what stands there is left.
            Meaning.LEFT: "Quantity|Quantité|Menge|Cantidad|Quantità|Hoeveelheid|Aantal|Ilość|"
            "Quantidade|Quantity available|Total available",
            Meaning.ENDS: "Expiration date|Date d'expiration|Ablaufdatum|Fecha de caducidad|"
            "Data di scadenza|Vervaldatum|Data wygaśnięcia|Data de expiração|date_to",
            Meaning.STARTS: "date_from",
            Meaning.STATUS: "Status|Statut|État|Estado|Stato|Stan",
            Meaning.ENABLED: "active|Enabled|Activé",
            Meaning.AMOUNT: "reduction_amount",
            Meaning.OTHER: "ID|Name|Nom|Nombre|Nome|Naam|Nazwa|Priority|Priorité|Priorität|"
            "Prioridad|Priorità|Prioriteit|Priorytet|Prioridade|id_cart_rule|quantity_per_user|"
            "reduction_percent|reduction_tax|minimum_amount",
        },
    ),
    System(
        name="Spree and Solidus",
        source="github.com/spree/spree, presenters/spree/csv/{coupon_code,gift_card}_presenter.rb",
        headings={
            Meaning.CODE: "Code|promotion_code|Promotion code",
            Meaning.STATUS: "State|Status",
            Meaning.AMOUNT: "Amount",
            Meaning.SPENT: "Amount Used",
            Meaning.BALANCE: "Amount Remaining",
            Meaning.CURRENCY: "Currency",
            Meaning.ENDS: "Expires At",
            Meaning.OTHER: "Promotion Name|Order Number|Created At|Updated At|Customer Email|"
            "Customer First Name|Customer Last Name",
        },
    ),
    System(
        name="Salesforce (B2C Commerce tables, Loyalty vouchers, Marketing Cloud)",
        source="developer.salesforce.com, Voucher object; B2C Commerce coupon.xsd",
        headings={
            Meaning.CODE: "VoucherCode|Voucher Code|CouponCode|Coupon Code",
            Meaning.AMOUNT: "FaceValue|Face Value",
            Meaning.BALANCE: "RemainingValue|Remaining Value",
            Meaning.SPENT: "RedeemedValue|Redeemed Value",
            Meaning.CURRENCY: "CurrencyIsoCode|Currency ISO Code",
            Meaning.STATUS: "Status",
            Meaning.STARTS: "EffectiveDate|EffectiveDateTime|Effective Date",
            Meaning.ENDS: "ExpirationDate|ExpirationDateTime|Expiration Date",
            Meaning.USED_AT: "UseDate|Use Date|RedeemedDate|ClaimedDate|Claimed Date",
            Meaning.OTHER: "VoucherNumber|Voucher Definition|Id|OwnerId|CreatedDate|SubscriberKey",
        },
    ),
    System(
        name="Voucherify",
        source="docs.voucherify.io/build/gift-card-import and its export of vouchers",
        headings={
            Meaning.CODE: "Code",
            Meaning.KIND: "Voucher Type|Discount Type",
            Meaning.AMOUNT: "Value|Gift Amount|gift.amount",
            Meaning.BALANCE: "Balance|Gift Balance|gift.balance|gift_balance",
            Meaning.LIMIT: "Redemption Limit|Redemption Quantity|redemption.quantity",
            Meaning.USED: "Redeemed Quantity|Redemption Count|redemption.redeemed_quantity|"
            "redeemed_quantity|redemption_count",
            Meaning.ENABLED: "Active",
            Meaning.STARTS: "Start Date",
            Meaning.ENDS: "Expiration Date",
            Meaning.OTHER: "Campaign|Category|Loyalty Balance|QR Code|Bar Code|Additional Info|"
            "Formula|Is Referral Code|Customer Id|Metadata",
        },
    ),
    System(
        name="Talon.One",
        source="rubydoc.info/gems/talon_one, ManagementApi#export_coupons",
        headings={
            Meaning.CODE: "value|couponValue",
            Meaning.USED: "counter|usageCounter",
            Meaning.LIMIT: "limitval|usageLimit",
            Meaning.AMOUNT: "discount_limitval|discountLimit",
            Meaning.SPENT: "discount_counter|discountCounter",
            Meaning.BALANCE: "discountRemainder",
            Meaning.STARTS: "startdate|validFrom",
            Meaning.ENDS: "expirydate|validUntil",
            Meaning.DISABLED: "deleted",
            Meaning.OTHER: "accountid|applicationid|attributes|batchid|campaignid|created|"
            "deleted_changelogid|id|importid|is_reservation_mandatory|limits|"
            "recipientintegrationid|referralid|reservation_limit|reservation_counter",
        },
    ),
    System(
        name="Klaviyo",
        source="help.klaviyo.com/hc/en-us/articles/115005084727; its API's coupon codes",
        headings={
            Meaning.CODE: "Coupon|Coupon Code|unique_code|Unique Code",
            Meaning.STATUS: "Status",
            Meaning.ENDS: "Expires At|Expiration|expires_at",
            Meaning.OTHER: "Coupon Id|Profile|Profile Id|Email",
        },
    ),
    System(
        name="Lightspeed",
        source="support.lightspeedhq.com and support.kounta.com, exports of gift cards",
        headings={
            Meaning.CODE: "Card Number|Number|Gift Card Code|Gift card number|Gift card ID|Barcode",
            Meaning.BALANCE: "Balance|Current balance",
            Meaning.AMOUNT: "Sold value|Total sold|Initial amount",
            Meaning.SPENT: "Redeemed value|Total redeemed",
            Meaning.STATUS: "Status",
            Meaning.ENDS: "Expiry date|Expiration date|Expires",
            Meaning.OTHER: "Customer|Sale|Outlet|Purchase date|Batch name",
        },
    ),
    System(
        name="pretix",
        source="github.com/pretix/pretix, control/views/vouchers.py, exporters/orderlist.py",
        headings={
            Meaning.CODE: "Voucher code|Gutscheincode|Gift card code|Geschenkgutscheincode|"
            "Code du bon|Code du bon cadeau|Vouchercode|Cadeauboncode",
            Meaning.ENDS: "Valid until|Gültig bis|Expiry date|Valable jusqu'au|Geldig tot|"
            "Válido hasta|Valido fino al|Ważny do|Válido até",
            Meaning.USED: "Redeemed|Eingelöst|Utilisé|Ingewisseld",
            Meaning.LIMIT: "Maximum usages|Maximale Verwendungen|Maximal nutzbar|"
            "Nombre maximal d'utilisations|Maximaal aantal keer te gebruiken",
            Meaning.AMOUNT: "Value|Wert",
            Meaning.BALANCE: "Current value|Aktueller Wert|Valeur actuelle|Huidige waarde",
            Meaning.CURRENCY: "Currency|Währung",
            Meaning.DISABLED: "Test mode card|Testmodus-Gutschein|Testmodus",
            Meaning.KIND: "Price effect|Preiseffekt|Preis-Effekt",
            Meaning.OTHER: "Product|Produkt|Reserve quota|Kontingent reservieren|Bypass quota|"
            "Tag|Comment|Kommentar|Seat|Creation date|Created in order|"
            "Special terms and conditions|Last invoice number of order|"
            "Last invoice date of order|Budget|Minimum usages",
        },
    ),
)
