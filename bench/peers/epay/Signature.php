<?php
declare(strict_types=1);

namespace App\Pay\Epay\Impl;

// Sorted, raw, key appended, MD5: from Epay's sheet.
class Signature implements \App\Pay\Signature
{
    public function verification(array $data, array $config): bool
    {
        $sign = (string)($data['sign'] ?? '');
        unset($data['sign'], $data['sign_type']);
        $kept = array_filter($data, fn($value) => $value !== '');
        ksort($kept);
        $pairs = array_map(fn($name) => $name . '=' . $kept[$name], array_keys($kept));
        return hash_equals(md5(implode('&', $pairs) . $config['key']), $sign);
    }
}
