<?php
// An Epay account for acg-faka, written for the bench from its plugin interface: it is told of payments as ours is.
use App\Consts\Pay;

return [
    'name' => 'Epay',
    'version' => '1.0.0',
    'options' => ['alipay' => 'alipay'],
    'callback' => [
        Pay::IS_SIGN => true,
        Pay::IS_STATUS => true,
        Pay::FIELD_STATUS_KEY => 'trade_status',
        Pay::FIELD_STATUS_VALUE => 'TRADE_SUCCESS',
        Pay::FIELD_ORDER_KEY => 'out_trade_no',
        Pay::FIELD_AMOUNT_KEY => 'money',
        Pay::FIELD_RESPONSE => 'success',
    ],
];
