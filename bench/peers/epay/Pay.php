<?php
declare(strict_types=1);

namespace App\Pay\Epay\Impl;

use App\Entity\PayEntity;
use App\Pay\Base;

// The signed address of Epay's cashier, made without asking anybody: as our gateway does.
class Pay extends Base implements \App\Pay\Pay
{
    public function trade(): PayEntity
    {
        $told = [
            'pid' => $this->config['pid'],
            'type' => $this->code,
            'out_trade_no' => $this->tradeNo,
            'notify_url' => $this->callbackUrl,
            'return_url' => $this->returnUrl,
            'name' => $this->tradeNo,
            'money' => (string)$this->amount,
        ];
        ksort($told);
        $told['sign'] = md5(urldecode(http_build_query($told)) . $this->config['key']);
        $told['sign_type'] = 'MD5';
        $entity = new PayEntity();
        $entity->setType(self::TYPE_REDIRECT);
        $entity->setUrl($this->config['url'] . 'submit.php?' . http_build_query($told));
        return $entity;
    }
}
