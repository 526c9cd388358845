<?php
// café, a name in Latin-1: ÿþ
function café() { session_start(); }
$été = "é {$_SESSION["é"]}"; session_id();
